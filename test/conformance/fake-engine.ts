import { createServer } from 'node:http';

// fake-engine.ts SOCKET [API_VERSION]: answers as an engine with that API would, as far as netd asks before it refuses one;
// without a version as something else altogether.
const [socketPath = '', apiVersion] = process.argv.slice(2);
const answers: Readonly<Record<string, unknown>> = {
  '/version': { Version: '1.13.1', ApiVersion: apiVersion },
  '/info': { NCPU: 1, MemTotal: 1, Plugins: {} },
  '/plugins': [],
};
const server = createServer((request, response) => {
  const answer = apiVersion === undefined ? undefined : answers[request.url ?? ''];
  response.writeHead(200).end(answer === undefined ? '<html>It works!</html>' : JSON.stringify(answer));
});
server.listen(socketPath);
