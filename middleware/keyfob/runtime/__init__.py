"""One process: its parts wired together, its background tasks, and the changes that arrive. Start at `runtime`."""
