// The certified OpenID provider, as its documentation sets it up. What it knows stands in the environment.
import Provider from "oidc-provider";

const { issuer, port, clients, jwks, accounts } = JSON.parse(process.env.PROVIDER);
const provider = new Provider(issuer, {
  clients,
  jwks,
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
  scopes: ["openid", "email", "profile", "groups", "offline_access"],
  cookies: { keys: ["of a test"] },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true }, backchannelLogout: { enabled: true } },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...accounts[id] }) }),
});
provider.listen(port, "127.0.0.1", () => console.log("ready"));
