"""The ASGI edge: what the server calls, and how a denial is answered. Start at `middleware`."""
