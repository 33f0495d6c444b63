// The token is one of our own; the SDK's prefix stands for the name server that leads to the platform of the test.
const API = require('co-wechat-api');
const answer = require('./program.cjs');

// THE SNIPPET
api.prefix = `${process.env.PLATFORM}/cgi-bin/`;
answer({
  token: async () => (await api.ensureAccessToken()).accessToken,
  call: async () => (await api.getIp()) && 'ok',
  healed: async () => (await call(() => api.getIp())) && 'ok',
});
