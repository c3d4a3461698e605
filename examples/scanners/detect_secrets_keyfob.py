"""Keyfob's keys for detect-secrets: ``detect-secrets scan --plugin detect_secrets_keyfob.py``.

Add your own key types to the list, and your prefix in the place of ``kf``. Keep the group non-capturing, ``(?:…)``:
detect-secrets takes a capturing group for the secret.
"""

from __future__ import annotations

import re

from detect_secrets.plugins.base import RegexBasedDetector


class KeyfobDetector(RegexBasedDetector):
    """Finds whole keys."""

    secret_type = "Keyfob API key"  # noqa: S105 - what findings are called
    denylist = (re.compile(r"\bkf_(?:api|computer|scim|admin)_[0-9A-Za-z]{16}_[0-9A-Za-z]{64}\b"),)
