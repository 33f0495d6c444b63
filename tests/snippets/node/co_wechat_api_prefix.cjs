const API = require('co-wechat-api');
const answer = require('./program.cjs');

const api = new API(process.env.APP, process.env.HUFU_KEY);
// THE SNIPPET
answer({
  token: async () => (await api.ensureAccessToken()).accessToken,
  call: async () => (await api.getIp()) && 'ok',
});
