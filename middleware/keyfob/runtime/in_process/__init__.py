"""The verbs of the admin API in Python."""
