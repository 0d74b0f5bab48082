// An OpenID provider on this machine: gives a client that knows its secret a signed access token.
// Says its address on one line, and ends with its standard input.
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, audience] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const key = (type, options, more) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }),
  use: "sig",
  ...more,
});
const client = (id) => ({
  client_id: id,
  client_secret: `secret-of-${id}`,
  grant_types: ["client_credentials"],
  response_types: [],
  redirect_uris: [],
});

const provider = new Provider(issuer, {
  clients: [client("acme"), client("other")],
  jwks: {
    keys: [
      key("rsa", { modulusLength: 2048 }, { kid: "rsa", alg: "RS256" }),
      key("ec", { namedCurve: "P-256" }, { kid: "ec", alg: "ES256" }),
    ],
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      getResourceServerInfo: (_, indicator, { clientId }) => ({
        scope: "stream:start stream:send stream:read",
        audience: indicator,
        accessTokenFormat: "jwt",
        accessTokenTTL: 300,
        jwt: { sign: { alg: clientId === "acme" ? "RS256" : "ES256" } },
      }),
    },
  },
});

provider.listen(Number(port), "127.0.0.1", () => console.log(JSON.stringify({ issuer })));
process.stdin.on("end", () => process.exit(0)).resume();
