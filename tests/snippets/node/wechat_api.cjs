const {promisify} = require('node:util');
const API = require('wechat-api');
const answer = require('./program.cjs');

const api = new API(process.env.APP, process.env.HUFU_KEY);
// THE SNIPPET
answer({
  token: async () => (await promisify(api.getAccessToken.bind(api))()).accessToken,
  call: async () => (await promisify(api.getIp.bind(api))()) && 'ok',
});
