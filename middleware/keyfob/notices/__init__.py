"""Telling webhooks and people what happens: signed, pinned, and tried again until it arrives."""
