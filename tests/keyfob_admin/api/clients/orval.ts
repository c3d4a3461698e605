// A key's whole life through the client that orval makes; prints what happened.
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
} from "./made/orval.ts";

const { URL, ADMIN_KEY, TEAM } = process.env as Record<string, string>;
const send = globalThis.fetch; // the client asks for paths alone, as in a page of the same host
globalThis.fetch = (path, options) => send(URL + path, options);
const options = { headers: { Authorization: `Bearer ${ADMIN_KEY}` } };

function there<A extends { data: unknown; status: number }, S extends A["status"]>(answer: A, status: S) {
  if (answer.status !== status) throw new Error(JSON.stringify(answer.data));
  return answer.data as Extract<A, { status: S }>["data"];
}

const draft = {
  name: "made by a client",
  permissions: ["items:read"],
  expires_at: "2999-01-01T00:00:00Z",
  ip_allow: ["203.0.113.0/24"],
};
const made = there(await createKey(TEAM, draft, options), 201);
const id = made.key.id;
const listed = there(await listKeys(TEAM, { q: id }, options), 200);
const read = there(await getKey(TEAM, id, options), 200);
const ifMatch = { headers: { ...options.headers, "If-Match": read.etag } };
const patched = there(await updateKey(TEAM, id, { description: "changed" }, ifMatch), 200);
const question = { key: made.secret ?? "", permissions: ["items:read"], ip: "203.0.113.7" };
const verified = there(await verifyKey(question, options), 200);
const disabled = there(await disableKey(TEAM, id, {}, undefined, options), 200);
const enabled = there(await enableKey(TEAM, id, {}, options), 200);
const copy = there(await duplicateKey(TEAM, id, {}, options), 201);
await disableKey(TEAM, copy.key.id, {}, undefined, options);
const deleted = await deleteKey(TEAM, copy.key.id, {}, options);
const gone = await getKey(TEAM, copy.key.id, options);
const renamed = there(await updateTeam(TEAM, { name: "Renamed" }, options), 200);

console.log(
  JSON.stringify({
    listed: listed.keys.map((each) => each.id).join() === id,
    expires_at: new Date(made.key.expires_at ?? 0).getUTCFullYear(),
    description: patched.description,
    verified: verified.code,
    states: [made.key.state, disabled.state, enabled.state],
    copy: copy.key.name,
    deleted: [deleted.status, gone.status, there(gone, 404).code],
    team: renamed.name,
  }),
);
