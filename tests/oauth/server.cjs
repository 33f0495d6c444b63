// An OAuth 2.0 server for tests: client credentials, introspection and revocation, as oidc-provider does them.
//
//   server.cjs PORT SECONDS    listens on loopback; each token lives so long
//
// OAUTH_CLIENTS holds the clients, as JSON: [{"id", "secret", "auth"}], "auth" one of client_secret_basic and
// client_secret_post. Each may ask for the scope "orders" and not for "invoices". What was issued is gone when it ends.
const {pathToFileURL} = require('node:url');

// Not `import 'oidc-provider'`: an import does not look where NODE_PATH points.
const library = pathToFileURL(require.resolve('oidc-provider'));

async function main([port, seconds]) {
  const {default: Provider} = await import(library);
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: JSON.parse(process.env.OAUTH_CLIENTS).map(({id, secret, auth}) => ({
      client_id: id,
      client_secret: secret,
      token_endpoint_auth_method: auth,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      scope: 'orders',
    })),
    scopes: ['orders', 'invoices'],
    ttl: {ClientCredentials: Number(seconds)},
    features: {
      clientCredentials: {enabled: true},
      devInteractions: {enabled: false},
      introspection: {enabled: true},
      revocation: {enabled: true},
    },
  });
  // The library takes either way from a client that is registered with one of the two.
  provider.use(async (ctx, next) => {
    await next();
    const registered = ctx.oidc?.client?.clientAuthMethod;
    if (registered === undefined) return;
    const used = ctx.headers.authorization === undefined ? 'client_secret_post' : 'client_secret_basic';
    if (used === registered) return;
    ctx.status = 401;
    ctx.body = {error: 'invalid_client', error_description: `the client is registered with ${registered}`};
  });
  provider.listen(Number(port), '127.0.0.1');
}

main(process.argv.slice(2));
