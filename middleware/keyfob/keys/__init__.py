"""What a key is: its written form, its record, and the hash of its secret."""
