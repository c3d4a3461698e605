"""The server's own signing keys: what they are, the file that holds them, and which of them are in use."""
