"""Setting up an installation: `keyfob init`, the demo, and databases filled for measurements."""
