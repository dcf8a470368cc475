"""What every Trunkline service shares."""
