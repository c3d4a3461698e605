"""A key's whole life through the client that openapi-generator makes; prints what happened."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

from made_by_openapi_generator import ApiClient, ApiException, Configuration, KeysApi, TeamsApi
from made_by_openapi_generator.models import CreateKey, PatchKey, PatchTeam, VerifyKey

TEAM = os.environ["TEAM"]
client = ApiClient(Configuration(host=os.environ["URL"], access_token=os.environ["ADMIN_KEY"]))
keys, teams = KeysApi(client), TeamsApi(client)

draft = CreateKey(
    name="made by a client",
    permissions=["items:read"],
    expires_at=datetime(2999, 1, 1, tzinfo=UTC),
    ip_allow=["203.0.113.0/24"],
)
made = keys.create_key(TEAM, draft)
key = made.key
listed = keys.list_keys(TEAM, q=key.id)
etag = keys.get_key(TEAM, key.id).etag
patched = keys.update_key(TEAM, key.id, PatchKey(description="changed"), if_match=etag)
question = VerifyKey(key=made.secret, permissions=["items:read"], ip="203.0.113.7")
verified = keys.verify_key(question)
disabled = keys.disable_key(TEAM, key.id)
enabled = keys.enable_key(TEAM, key.id)
copy = keys.duplicate_key(TEAM, key.id)
keys.disable_key(TEAM, copy.key.id)
deleted = keys.delete_key_with_http_info(TEAM, copy.key.id).status_code
try:
    keys.get_key(TEAM, copy.key.id)
    gone = [200, ""]
except ApiException as refused:
    gone = [refused.status, refused.data.code]
renamed = teams.update_team(TEAM, PatchTeam(name="Renamed"))

happened = {
    "listed": [each.id for each in listed.keys] == [key.id],
    "expires_at": key.expires_at.year,
    "description": patched.description,
    "verified": verified.code,
    "states": [key.state, disabled.state, enabled.state],
    "copy": copy.key.name,
    "deleted": [deleted, *gone],
    "team": renamed.name,
}
print(json.dumps(happened))  # noqa: T201 - this is what the test reads
