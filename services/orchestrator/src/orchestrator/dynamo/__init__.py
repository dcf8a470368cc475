"""Tables at DynamoDB: prompts, answers, the call log, tasks."""
