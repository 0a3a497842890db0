// A CRUD service as one begins with: Fastify's routes over a table with a JSON column, one transaction for each write, a pool of connections. It has
// no tokens, no history, no order, tells nobody, and a repeated request is done twice. Argument: the URL of an empty database.
import { fastify } from 'fastify';
import postgres from 'postgres';
import { listenLocally } from '../lib/listen-locally.ts';

const [url = ''] = process.argv.slice(2);
const CONNECTIONS = 16;
const sql = postgres(url, { max: CONNECTIONS, onnotice: () => {} });
await sql`create table if not exists thing (id text primary key, attributes jsonb not null, version int not null default 1, changed timestamptz not null default now())`;

const app = fastify();
const body = { type: 'object', required: ['name'], properties: { name: { type: 'string', maxLength: 4096 } } } as const;

app.post<{ Params: { id: string }; Body: { name: string } }>('/things/:id', { schema: { body } }, async (request) => {
  const [row] = await sql`
    insert into thing (id, attributes) values (${request.params.id}, ${sql.json(request.body)})
    on conflict (id) do update set attributes = thing.attributes || excluded.attributes, version = thing.version + 1, changed = now() returning *`;
  return row;
});

app.get<{ Params: { id: string } }>('/things/:id', async (request, reply) => {
  const [row] = await sql`select * from thing where id = ${request.params.id}`;
  return row ?? reply.code(404).send({ error: 'not found' });
});

process.on('SIGTERM', () => process.exit(0));
await app.ready();
process.send?.({ port: await listenLocally(app.server) });
