// What the Node.js programs share: commands come on standard input, a line each; every answer is a line.
const readline = require('node:readline');

module.exports = async (commands) => {
  for await (const line of readline.createInterface({input: process.stdin})) {
    const answer = await commands[line]().catch((error) => `error: ${error.code ?? ''} ${error.message ?? error}`);
    console.log(String(answer).replaceAll('\n', ' '));
  }
};
