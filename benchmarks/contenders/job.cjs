// The job that both Node clients do with an event: decode, count by channel and event, append one line.
// The file is a stream, Node's own way: it gathers what arrives while a write is under way.
const fs = require('node:fs');
const { once } = require('node:events');

const counts = new Map();
let total = 0;
const file = fs.createWriteStream(process.argv[3], { flags: 'a' });

exports.port = Number(process.argv[2]);
exports.pattern = 'tickstock:*';
exports.ready = () => process.stdout.write('READY\n');

exports.take = (channel, text) => {
  if (channel === 'tickstock:bench:stop') return void finish();
  let event;
  try {
    event = JSON.parse(text);
  } catch {
    return;
  }
  const key = `${channel}\0${event.event ?? event.event_type ?? event.alert_type ?? ''}`;
  counts.set(key, (counts.get(key) ?? 0) + 1);
  total += 1;
  file.write(`{"channel":${JSON.stringify(channel)},"message":${text}}\n`);
};

async function finish() {
  file.end();
  await once(file, 'finish');
  process.stdout.write(`DONE ${total}\n`);
  process.stdin.once('data', () => process.exit(0));
}
