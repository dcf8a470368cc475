"""What agents know: instructions and answers from files or DynamoDB."""
