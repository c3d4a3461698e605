"""What `[forward_auth.*]` may say, and when somebody is told that it cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from keyfob.errors import ConfigError
from keyfob_admin.app import build_admin
from tests.keyfob_admin.forward_auth.conftest import POLICIES, Gateway, configured

if TYPE_CHECKING:
    from keyfob.testing import Installation

POLICY = """
[forward_auth.billing]
headers = "x-forwarded"
trusted_proxies = ["127.0.0.1"]
[forward_auth.billing.rules]
"""


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('"GET invoices" = "invoices:read"', '[forward_auth.billing.rules]: rule "GET invoices"'),
        ('"/a" = { key_types = ["scimm"] }', "there is no key type scimm; did you mean scim?"),
        ('"/a" = "a:read"\n"/A" = "a:*"', "a:* is a wildcard"),
        ('"WS /a" = "a:read"', '"WS /a" can never match; a gateway asks for a handshake as the GET that it is'),
    ],
)
async def test_rules_that_cannot_be_meant_stop_the_start(here: Installation, rules: str, said: str) -> None:
    """A policy's rules are read when the server is built; the message names policy, rule and fix."""
    with pytest.raises(ConfigError) as wrong:
        build_admin(configured(here, POLICY + rules))

    assert said in str(wrong.value)


async def test_a_permission_outside_the_catalogue_is_refused(here: Installation) -> None:
    """With a catalogue that is written down, a policy may name only what is in it."""
    catalogue = '[permissions]\n"items:read" = "Read items"\n'

    with pytest.raises(ConfigError, match=r"add invoices:read to \[permissions\], or fix it"):
        build_admin(configured(here, catalogue + POLICY + '"/a" = "invoices:read"'))


async def test_without_a_catalogue_what_policies_name_can_be_granted(here: Installation) -> None:
    """The catalogue that is made of the rules is made of the policies' rules, too."""
    runtime = configured(here, '[rules]\n"/x" = "x:read"\n' + POLICIES)

    assert ["x:read", "invoices:read", "invoices:write", "orders:read"] == list(runtime.catalogue.permissions)


async def test_a_policy_has_its_own_rules_and_its_own_gateway(gateway: Gateway) -> None:
    """What one policy lets pass, and whom it trusts, says nothing of another."""
    key = await gateway.here.issue("invoices:read", "orders:read")

    assert [200, 403] == [(await gateway.ask("/invoices", key, policy=one)).status_code for one in ("billing", "shop")]
    assert 200 == (await gateway.ask("/orders", key, policy="shop", peer="10.1.2.3")).status_code
    assert 403 == (await gateway.ask("/invoices", key, policy="billing", peer="10.1.2.3")).status_code


async def test_it_works_where_the_admin_application_is_mounted(gateway: Gateway) -> None:
    """Below a prefix the policies are asked below that prefix, and rules stay those of the original request."""
    key = await gateway.here.issue("invoices:read")
    outer = Gateway(Starlette(routes=[Mount("/keyfob", app=gateway.app)]), gateway.runtime, gateway.here)
    headers = [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/invoices"), ("X-Forwarded-For", "203.0.113.9")]
    headers.append(("X-API-Key", key.text))

    assert 200 == (await outer.send("/keyfob/v1/forward-auth/billing", headers)).status_code
    headers[1] = ("X-Forwarded-Uri", "/keyfob/invoices")
    assert 403 == (await outer.send("/keyfob/v1/forward-auth/billing", headers)).status_code


async def test_the_admin_api_beside_it_stays_guarded(gateway: Gateway) -> None:
    """That gateways need no admin key opens no other path under /v1/."""
    headers = [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/open"), ("X-Forwarded-For", "203.0.113.9")]

    for path in ("/v1/forward-auth", "/v1/forward-authx/billing", "/v1/teams", "/v1/nothing"):
        assert 401 == (await gateway.send(path, headers)).status_code, path


async def test_a_gateway_cannot_leave_the_judging_to_the_application(here: Installation) -> None:
    """Behind a gateway nobody could tell the application that no key was there, so the rule is refused at start."""
    with pytest.raises(
        ConfigError, match=r'\[forward_auth.billing.rules\]: "/a" leaves the judging to the application'
    ):
        build_admin(configured(here, POLICY + '"/a" = { permission = "a:read", otherwise = "app" }'))


async def test_a_gateway_sends_the_key_where_the_settings_say(here: Installation) -> None:
    """The named headers hold for forward-auth, and the admin API keeps its own."""
    runtime = configured(here, POLICIES, credential_headers=["x-acme-key"])
    gateway = Gateway(build_admin(runtime), runtime, here)
    key, admin = await here.issue("invoices:read"), await here.issue("keys:read", key_type="admin")

    assert 200 == (await gateway.ask("/invoices", headers=[("X-Acme-Key", key.text)])).status_code
    assert 401 == (await gateway.ask("/invoices", key)).status_code
    bearer = ("Authorization", f"Bearer {admin.text}")
    assert 200 == (await gateway.send("/v1/teams/default/keys", [bearer])).status_code
    await runtime.stop()
