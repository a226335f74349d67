// ioredis, the other widely used client for Node.
import { createRequire } from 'node:module';

const { Redis } = createRequire(`${process.env.NODE_CLIENTS}/`)('ioredis');
const job = createRequire(import.meta.url)('./job.cjs');

const client = new Redis(job.port, '127.0.0.1');
client.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
client.on('pmessage', (_pattern, channel, message) => job.take(channel, message));
await client.psubscribe(job.pattern);
job.ready();
