// The program that Hufu grew from, as far as its token goes: the old schema and its two functions, on mongoose.
//
//   program.cjs save TOKEN MILLISECONDS    saves a token that lives so long, as the program did after a call
//   program.cjs get                        what it holds for valid, as JSON; null where there is none
//   program.cjs save-late                  prints what it read, as JSON, and saves that when somebody wrote another token
//   program.cjs watch TOKENS               looks all the time until it has seen so many; what it saw, as JSON
//
// MONGODB_URI names the database.
const mongoose = require('mongoose');

const schema = new mongoose.Schema({
  name: String,
  token: String,
  expires_in: Number,
  meta: {
    createdAt: {type: Date, default: Date.now()},
    updatedAt: {type: Date, default: Date.now()},
  },
});
schema.pre('save', function(next) {
  if (this.isNew) this.meta.createdAt = this.meta.updatedAt = Date.now();
  else this.meta.updatedAt = Date.now();
  next();
});
const Token = mongoose.model('Token', schema);

async function getAccessToken() {
  return await Token.findOne({name: 'access_token'}).exec();
}

async function saveAccessToken(data) {
  let token = await Token.findOne({name: 'access_token'}).exec();
  if (token) {
    token.token = data.access_token;
    token.expires_in = data.expires_in;
  } else {
    token = new Token({name: 'access_token', token: data.access_token, expires_in: data.expires_in});
  }
  return await token.save();
}

const isValid = (data) => Boolean(data && data.token && data.expires_in && Date.now() < data.expires_in);

// The program fetches a token, or reads it, and saves it in any case: here with the other's write in between.
async function saveLate() {
  const {token, expires_in} = await getAccessToken();
  console.log(JSON.stringify(token));
  while ((await getAccessToken()).token === token);
  await saveAccessToken({access_token: token, expires_in});
}

async function watch(wanted) {
  const seen = [];
  let looks = 0;
  let holes = 0;
  for (const deadline = Date.now() + 120000; seen.length < wanted && Date.now() < deadline;) {
    const data = await getAccessToken();
    if (!seen.length && !isValid(data)) continue;  // Before the first one.
    ++looks;
    if (!isValid(data)) ++holes;
    else if (!seen.some((one) => one.token === data.token)) {
      seen.push({token: data.token, created: data.meta.createdAt, updated: data.meta.updatedAt});
    }
  }
  return {seen, looks, holes};
}

async function main([verb, ...words]) {
  await mongoose.connect(process.env.MONGODB_URI);
  if (verb === 'save') {
    await saveAccessToken({access_token: words[0], expires_in: Date.now() + Number(words[1])});
  } else if (verb === 'save-late') {
    await saveLate();
  } else if (verb === 'get') {
    const data = await getAccessToken();
    console.log(JSON.stringify(isValid(data) ? data : null));
  } else {
    console.log(JSON.stringify(await watch(Number(words[0]))));
  }
  await mongoose.disconnect();
}

main(process.argv.slice(2));
