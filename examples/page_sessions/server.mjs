// An application that is not Python, whose users make and end the API keys of their team on Keyfob's page. Node alone.
//
// In keyfob.toml: [page] return_urls = ["http://127.0.0.1:3000/settings"]. `keyfob init`, `keyfob teams create acme`,
// `keyfob serve`; then `KEYFOB_KEY=<the admin key> node server.mjs`, open http://127.0.0.1:3000/settings, and sign in as
// ann or bob. The key needs people:write and all that the roles below hold.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

const PORT = Number(process.env.PORT ?? 3000);
const HERE = `http://127.0.0.1:${PORT}`;
const KEYFOB = process.env.KEYFOB_SERVER ?? "http://127.0.0.1:8700";
const USERS = {
  // What this application's own database says.
  ann: { id: "1", name: "Ann Smith", email: "ann@acme.example", team: "acme", role: "team_admin" },
  bob: { id: "2", name: "Bob Brown", email: "bob@acme.example", team: "acme", role: "member" },
};
const sessions = new Map();

const page = (title, body) =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}`;
const LOGIN = page(
  "Sign in",
  '<form method="post" action="/login"><label>Name <input name="name" autofocus></label><button>Sign in</button></form>',
);
const settings = (user) =>
  page("Settings", `<p>You are ${user.name}.</p><form method="post" action="/api-keys"><button>API keys</button></form>`);

// Ask Keyfob for a link that opens the page of this user's team once, and leads back to the settings.
async function linkFor({ team, role, ...person }) {
  const answer = await fetch(`${KEYFOB}/v1/page-sessions`, {
    method: "POST",
    headers: { Authorization: `Bearer ${process.env.KEYFOB_KEY}`, "Content-Type": "application/json" },
    body: JSON.stringify({ person, team, role, return_url: `${HERE}/settings` }),
  });
  if (answer.status !== 201) throw new Error(`Keyfob answered ${answer.status}: ${(await answer.json()).code}`);
  return (await answer.json()).url;
}

async function answer(request, response) {
  const session = /(?:^|; )session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
  const user = USERS[sessions.get(session)];
  const goTo = (address, headers = {}) => response.writeHead(303, { Location: address, ...headers }).end();
  const show = (html) =>
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store" }).end(html);
  switch (`${request.method} ${request.url}`) {
    case "GET /login":
      return show(LOGIN);
    case "POST /login": {
      // A real application asks for a password, too.
      let body = "";
      for await (const part of request) body += part;
      const id = randomUUID();
      sessions.set(id, new URLSearchParams(body).get("name"));
      return goTo("/settings", { "Set-Cookie": `session=${id}; HttpOnly; SameSite=Lax; Path=/` });
    }
    case "GET /settings":
      return user ? show(settings(user)) : goTo("/login");
    case "POST /api-keys":
      // A form, and no plain link: what browsers load ahead asks for no page.
      return user ? goTo(await linkFor(user)) : goTo("/login");
    default:
      return response.writeHead(404).end();
  }
}

const server = createServer((request, response) =>
  answer(request, response).catch((error) => {
    console.error(error.message);
    response.writeHead(502, { "Content-Type": "text/plain" }).end("API keys can't be shown right now.");
  }),
);
server.listen(PORT, "127.0.0.1", () => console.log(HERE));
