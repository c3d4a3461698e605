"""Keys in one SQLite file, shared by all processes of a host. Start at `store`."""
