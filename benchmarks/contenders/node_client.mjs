// node-redis, the client that Redis recommends for Node.
import { createRequire } from 'node:module';

const { createClient } = createRequire(`${process.env.NODE_CLIENTS}/`)('redis');
const job = createRequire(import.meta.url)('./job.cjs');

const client = createClient({ url: `redis://127.0.0.1:${job.port}` });
client.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
await client.connect();
await client.pSubscribe(job.pattern, (message, channel) => job.take(channel, message));
job.ready();
