"""Keys: their written form, their record, and the hash of their secret."""
