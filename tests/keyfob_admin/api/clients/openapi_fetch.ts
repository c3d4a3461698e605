// A key's whole life through openapi-fetch, with the types that openapi-typescript makes; prints what happened.
import createClient from "openapi-fetch";
import type { paths } from "./made/openapi_typescript.ts";

const { URL, ADMIN_KEY, TEAM } = process.env as Record<string, string>;
const client = createClient<paths>({ baseUrl: URL, headers: { Authorization: `Bearer ${ADMIN_KEY}` } });
const team = TEAM;

function there<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const made = there(
  await client.POST("/v1/teams/{team}/keys", {
    params: { path: { team } },
    body: {
      name: "made by a client",
      permissions: ["items:read"],
      expires_at: "2999-01-01T00:00:00Z",
      ip_allow: ["203.0.113.0/24"],
    },
  }),
);
const one = { path: { team, key: made.key.id } };
const listed = there(
  await client.GET("/v1/teams/{team}/keys", { params: { path: { team }, query: { q: made.key.id } } }),
);
const read = there(await client.GET("/v1/teams/{team}/keys/{key}", { params: one }));
const patched = there(
  await client.PATCH("/v1/teams/{team}/keys/{key}", {
    params: { ...one, header: { "If-Match": read.etag } },
    body: { description: "changed" },
  }),
);
const verified = there(
  await client.POST("/v1/verify", {
    body: { key: made.secret ?? "", permissions: ["items:read"], ip: "203.0.113.7" },
  }),
);
const disabled = there(await client.POST("/v1/teams/{team}/keys/{key}/disable", { params: one }));
const enabled = there(await client.POST("/v1/teams/{team}/keys/{key}/enable", { params: one }));
const copy = there(await client.POST("/v1/teams/{team}/keys/{key}/duplicate", { params: one }));
const other = { path: { team, key: copy.key.id } };
await client.POST("/v1/teams/{team}/keys/{key}/disable", { params: other });
const deleted = await client.DELETE("/v1/teams/{team}/keys/{key}", { params: other });
const gone = await client.GET("/v1/teams/{team}/keys/{key}", { params: other });
const renamed = there(
  await client.PATCH("/v1/teams/{team}", { params: { path: { team } }, body: { name: "Renamed" } }),
);

console.log(
  JSON.stringify({
    listed: listed.keys.map((each) => each.id).join() === made.key.id,
    expires_at: new Date(made.key.expires_at ?? 0).getUTCFullYear(),
    description: patched.description,
    verified: verified.code,
    states: [made.key.state, disabled.state, enabled.state],
    copy: copy.key.name,
    deleted: [deleted.response.status, gone.response.status, gone.error?.code],
    team: renamed.name,
  }),
);
