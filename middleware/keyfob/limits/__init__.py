"""How often keys may be used: windows, and where they are counted."""
