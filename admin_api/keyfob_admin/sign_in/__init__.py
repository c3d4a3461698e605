"""Signing people in by somebody else's word: an OpenID Connect provider's, or a proxy's."""
