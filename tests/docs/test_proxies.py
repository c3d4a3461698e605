"""The headers of proxies that sign people in, as people.md and the example for nginx name them.

Tried are nginx, with what answers like oauth2-proxy in its place (tests/end_to_end/gateways/test_sign_in.py), and by
hand Apache with mod_auth_openidc. oauth2-proxy comes in no package that these tests could install: that it sends
these is what its documentation says of ``--pass-user-headers`` and ``--set-xauthrequest``.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLAIMS = ("user", "groups", "email", "preferred-username")
PASSED_ON = {f"x-forwarded-{claim}" for claim in CLAIMS}
ANSWERED = {f"x_auth_request_{claim}".replace("-", "_") for claim in CLAIMS}


def test_oauth2_proxys_headers_are_those_that_it_documents() -> None:
    """The row of the table, the example beside it, and the example for nginx name no other."""
    text = (ROOT / "docs" / "people.md").read_text()
    (row,) = re.findall(r"^\| oauth2-proxy as the proxy itself.*$", text, re.MULTILINE)
    example = re.findall(r'^(?:email|name|groups) = "(x-forwarded-[a-z-]+)"$', text, re.MULTILINE)
    nginx = (ROOT / "examples" / "gateways" / "sign-in-nginx.conf").read_text()
    asked = set(re.findall(r"\$upstream_http_(\w+)", nginx))

    assert PASSED_ON == set(re.findall(r"`(x-[a-z-]+)`", row))
    assert 3 == len(example)
    assert set(example) <= PASSED_ON
    assert {"x_auth_request_email", "x_auth_request_groups"} <= asked <= ANSWERED
