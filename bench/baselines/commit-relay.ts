// The bare hops of a change that is told when it is durable: NATS → one committed row → NATS. What is asked of it comes on the subject `write`; it
// commits each message by itself, over eight connections, and publishes it on `written`. Arguments: URLs of NATS and of an empty database.
import { connect } from '@nats-io/transport-node';
import postgres from 'postgres';

const [servers = '', url = ''] = process.argv.slice(2);
const nats = await connect({ servers: servers.replace('nats://', '') });
const sql = postgres(url, { max: 8, onnotice: () => {} });
await sql`create table if not exists written (number bigint generated always as identity primary key, body text not null)`;

nats.subscribe('write', {
  callback: (_error, message) => {
    // The bytes belong to the library's reading buffer.
    const data = Buffer.from(message.data);
    void sql`insert into written (body) values (${data.toString()})`.then(() => nats.publish('written', data));
  },
});
await nats.flush();
process.on('SIGTERM', () => process.exit(0));
process.send?.({ ready: true });
