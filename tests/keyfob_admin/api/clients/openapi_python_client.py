"""A key's whole life through the client that openapi-python-client makes; prints what happened."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

from made_by_openapi_python_client import AuthenticatedClient
from made_by_openapi_python_client.api.keys import (
    create_key,
    delete_key,
    disable_key,
    duplicate_key,
    enable_key,
    get_key,
    list_keys,
    update_key,
    verify_key,
)
from made_by_openapi_python_client.api.teams import update_team
from made_by_openapi_python_client.models import CreateKey, PatchKey, PatchTeam, VerifyKey

TEAM = os.environ["TEAM"]
client = AuthenticatedClient(base_url=os.environ["URL"], token=os.environ["ADMIN_KEY"])

draft = CreateKey(
    name="made by a client",
    permissions=["items:read"],
    expires_at=datetime(2999, 1, 1, tzinfo=UTC),
    ip_allow=["203.0.113.0/24"],
)
made = create_key.sync(TEAM, client=client, body=draft)
key = made.key
listed = list_keys.sync(TEAM, client=client, q=key.id)
etag = get_key.sync_detailed(TEAM, key.id, client=client).headers["etag"]
patched = update_key.sync(TEAM, key.id, client=client, body=PatchKey(description="changed"), if_match=etag)
question = VerifyKey(key=made.secret, permissions=["items:read"], ip="203.0.113.7")
verified = verify_key.sync(client=client, body=question)
disabled = disable_key.sync(TEAM, key.id, client=client)
enabled = enable_key.sync(TEAM, key.id, client=client)
copy = duplicate_key.sync(TEAM, key.id, client=client)
disable_key.sync(TEAM, copy.key.id, client=client)
deleted = delete_key.sync_detailed(TEAM, copy.key.id, client=client)
gone = get_key.sync_detailed(TEAM, copy.key.id, client=client)
renamed = update_team.sync(TEAM, client=client, body=PatchTeam(name="Renamed"))

happened = {
    "listed": [each.id for each in listed.keys] == [key.id],
    "expires_at": key.expires_at.year,
    "description": patched.description,
    "verified": verified.code.value,
    "states": [key.state.value, disabled.state.value, enabled.state.value],
    "copy": copy.key.name,
    "deleted": [int(deleted.status_code), int(gone.status_code), gone.parsed.code],
    "team": renamed.name,
}
print(json.dumps(happened))  # noqa: T201 - this is what the test reads
