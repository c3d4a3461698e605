"""Keys in PostgreSQL, shared by all hosts. Start at `store`."""
