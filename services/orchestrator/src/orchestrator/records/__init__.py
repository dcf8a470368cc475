"""Call records: facts written into tables, read back by operators, and deleted in time."""
