"""``keyfob keys``: everything that can be done with keys."""
