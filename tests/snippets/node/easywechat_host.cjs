const {OfficialAccount} = require('node-easywechat');
const answer = require('./program.cjs');

const app = new OfficialAccount({
  app_id: process.env.APP,
  secret: process.env.HUFU_KEY,
  // THE SNIPPET
});
answer({
  token: () => app.getAccessToken().getToken(),
  call: async () => {
    const answered = (await app.getClient().get('cgi-bin/getcallbackip')).toObject();
    return answered.errcode ? `error: ${answered.errcode}` : 'ok';
  },
});
