"""The database: one engine, its tables, its migrations."""
