"""Responses and WebSockets that stay open after they were admitted, and end when their key is revoked."""
