"""What Keyfob costs, each figure beside a bare baseline, in one run. `scripts/bench [part]` repeats them."""
