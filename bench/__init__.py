"""What Keyfob costs, beside a bare baseline: `scripts/bench`."""
