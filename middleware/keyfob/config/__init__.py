"""Settings from the configuration file, the environment and keywords. Start at `settings`."""
