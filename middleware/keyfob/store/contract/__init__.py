"""What Keyfob needs from a store: `key_store` is the whole, and the others are its parts."""
