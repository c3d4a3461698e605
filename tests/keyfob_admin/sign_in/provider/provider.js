// An OpenID Connect provider for tests: whoever types an e-mail address is that person.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const PEOPLE = JSON.parse(process.env.PEOPLE); // by account id
const server = createServer();

server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "keyfob",
        client_secret: process.env.CLIENT_SECRET,
        redirect_uris: JSON.parse(process.env.REDIRECT_URIS),
        token_endpoint_auth_method: "client_secret_basic",
      },
    ],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
    scopes: ["openid", "email", "profile", "groups"],
    pkce: { required: () => true },
    features: { devInteractions: { enabled: true } },
    async findAccount(_context, id) {
      return PEOPLE[id] && { accountId: id, claims: async () => ({ sub: id, ...PEOPLE[id] }) };
    },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
