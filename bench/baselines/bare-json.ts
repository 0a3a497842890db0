/** A bare fastify route that always answers the same JSON. Argument: the JSON. It reports its port. */
import fastify from 'fastify';

const [json = '{}'] = process.argv.slice(2);
const answer: unknown = JSON.parse(json);
const app = fastify();
app.post('/api/v1/features/:userId', async () => answer);
const url = await app.listen({ port: 0, host: '127.0.0.1' });
process.send?.({ ready: true, port: Number(new URL(url).port) });
