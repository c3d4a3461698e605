"""The audit log: reading it, and checking that nobody has rewritten it."""
