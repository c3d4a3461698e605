"""Which permission a method and path need: the rules as written, compiled into one table. Start at `compiler`."""
