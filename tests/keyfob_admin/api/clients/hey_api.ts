// A key's whole life through the client that @hey-api/openapi-ts makes; prints what happened.
import { client } from "./made/hey_api/client.gen.ts";
import {
  createKey,
  deleteKey,
  disableKey,
  duplicateKey,
  enableKey,
  getKey,
  listKeys,
  updateKey,
  updateTeam,
  verifyKey,
} from "./made/hey_api/sdk.gen.ts";

const { URL, ADMIN_KEY, TEAM } = process.env as Record<string, string>;
client.setConfig({ baseUrl: URL, auth: () => ADMIN_KEY });
const team = TEAM;

function there<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const made = there(
  await createKey({
    path: { team },
    body: {
      name: "made by a client",
      permissions: ["items:read"],
      expires_at: "2999-01-01T00:00:00Z",
      ip_allow: ["203.0.113.0/24"],
    },
  }),
);
const path = { team, key: made.key.id };
const listed = there(await listKeys({ path: { team }, query: { q: made.key.id } }));
const read = there(await getKey({ path }));
const patched = there(
  await updateKey({ path, headers: { "If-Match": read.etag }, body: { description: "changed" } }),
);
const verified = there(
  await verifyKey({ body: { key: made.secret ?? "", permissions: ["items:read"], ip: "203.0.113.7" } }),
);
const disabled = there(await disableKey({ path }));
const enabled = there(await enableKey({ path }));
const copy = there(await duplicateKey({ path }));
const other = { team, key: copy.key.id };
await disableKey({ path: other });
const deleted = await deleteKey({ path: other });
const gone = await getKey({ path: other });
const renamed = there(await updateTeam({ path: { team }, body: { name: "Renamed" } }));

console.log(
  JSON.stringify({
    listed: listed.keys.map((each) => each.id).join() === made.key.id,
    expires_at: new Date(made.key.expires_at ?? 0).getUTCFullYear(),
    description: patched.description,
    verified: verified.code,
    states: [made.key.state, disabled.state, enabled.state],
    copy: copy.key.name,
    deleted: [deleted.response?.status, gone.response?.status, gone.error?.code],
    team: renamed.name,
  }),
);
