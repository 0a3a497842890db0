/** Good Uncle's live queries while HIRO and Saga clients write the same elements: applying the events gives the same result as a read. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PATIENCE_MS } from '@polyedge/testkit/until';
import { WebSocket } from 'ws';
import { Client } from '../services/gooduncle-edge/test/client.ts';
import { agree, Chance, ORDERS, PRODUCTS, type Watchable, wareOf, watch, write } from '../services/gooduncle-edge/test/exactness.ts';
import { ADMINISTRATOR, startSystem } from '../services/gooduncle-edge/test/system.ts';

/** Saga's bots and their properties as topics: their elements carry Saga's attributes. */
const SAGA_TOPICS = `
  bots:
    type: saga/Bot
    roles:
      anonymous: { read: { fields: ["*", "-tags"] } }
      admin: { read: {}, update: {} }
  moods:
    type: saga/Property
    roles:
      customer: { read: { rows: { value: { $exists: true } }, fields: ["*", "-source_creator"] } }
      admin: { read: {}, update: {} }
`;

const bots: Watchable = {
  topic: 'bots',
  public: true,
  criteria: (chance, run) =>
    chance.of([
      { name: { $startsWith: run } },
      { name: `${run}-${chance.below(4)}` },
      { name: { $startsWith: run }, price: { $exists: true } },
    ]),
  sorts: [['name'], ['-price', 'name']],
  fields: ['name'],
};
const moods: Watchable = {
  topic: 'moods',
  public: false,
  criteria: (chance, run) =>
    chance.of([
      { name: { $startsWith: run } },
      { name: { $startsWith: run }, value: { $gt: chance.below(10) } },
      { name: { $in: [`${run}-1`, `${run}-2`, `${run}-3`] } },
      { name: { $startsWith: run }, $not: { value: 'calm' } },
    ]),
  sorts: [['value'], ['-value', 'name'], ['name', 'parent_id']],
  fields: ['name', 'value'],
};

const SLOTS = 8;

test('gooduncle:F37 gooduncle:F42 writers through HIRO and Saga too: every subscription equals a fresh read, nothing twice, nothing missing', async () => {
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'polyedge-topics-'));
  parts.defer(() => rm(folder, { recursive: true }));
  const example = await readFile(new URL('../services/gooduncle-edge/topics.example.yaml', import.meta.url), 'utf8');
  const topics = join(folder, 'topics.yaml');
  await writeFile(topics, example + SAGA_TOPICS);
  const system = parts.use(await startSystem({ edge: { GOODUNCLE_TOPICS: topics } }));
  const [hiro, saga] = await Promise.all([system.startBeside('hiro-edge'), system.startBeside('saga-edge')]);

  const chance = new Chance();
  const run = `with${chance.seed}`;
  const subs = [system.sub.u1, system.sub.u2];
  const { url } = system.edge;
  const [administrator, writer] = await Promise.all([Client.open(url, 'admin'), Client.open(url, 'admin')]);
  const clients = [...(await Promise.all([Client.open(url), Client.open(url, 'u1'), Client.open(url, 'u2')])), administrator];
  for (const client of [...clients, writer]) parts.use(client);
  const graph = await HiroWriter.open(hiro.url);
  parts.use(graph);
  const robots = await SagaWriter.open(saga.url, run);

  // Of everything, from before the first write: which of the random ones are told of whose changes is left to chance.
  const everything = await Promise.all(
    [PRODUCTS, ORDERS, bots, moods].map(async ({ topic }, at) => {
      const request = { topic, criteria: {} };
      return { client: administrator, request, live: await administrator.subscribe({ ...request, subscription: `all${run}-${at}` }) };
    }),
  );
  const wares: string[] = [];
  const writing = Promise.all([
    write(writer, chance.another(), run, 120, subs, { created: wares }),
    writeMoods(writer, chance.another(), run, 40),
    writeOverHiro(graph, chance.another(), run, subs, { wares, bots: robots.ids }),
    robots.write(chance.another(), 100),
  ]);
  const watched = [...everything, ...(await watch(clients, [PRODUCTS, ORDERS, bots, moods], chance, run, 32))];
  const made = (await writing)[2];
  await agree(watched, run);

  // The others' writes took place and were published.
  const told = (topic: string, ids: readonly string[]): boolean =>
    watched.some(
      ({ live, request }) =>
        request.topic === topic && live.later.some(({ response: { payload } }) => ids.some((id) => payload?.id.startsWith(id))),
    );
  assert.ok(told('products', made) && told('orders', made), 'no event of what HIRO made');
  assert.ok(told('bots', robots.ids) && told('moods', robots.ids), 'no event of what Saga made');
});

/** Good Uncle's own writes as shown by Saga. */
async function writeMoods(writer: Client, chance: Chance, run: string, count: number): Promise<void> {
  for (let step = 0; step < count; step += 1) {
    const name = `${run}-${chance.below(SLOTS)}`;
    const { response } =
      chance.below(2) === 0
        ? await writer.one({ type: 'update', topic: 'moods', criteria: { name }, params: { value: chance.of([1, 7, 'calm', null]) } })
        : await writer.one({ type: 'update', topic: 'bots', criteria: { name }, params: { price: chance.below(9) } });
    assert.match(response.code, /^(ok|not found)$/, JSON.stringify(response));
  }
}

/** A graph-ws connection: requests are answered by id. */
class HiroWriter implements Disposable {
  readonly #ws: WebSocket;
  readonly #waiting = new Map<string, (frame: HiroFrame) => void>();
  #ids = 0;

  static async open(url: string): Promise<HiroWriter> {
    const { _TOKEN: token } = await post(`${url}/api/auth/6.6/app`, { client_id: 'test', client_secret: 'x', ...ADMINISTRATOR });
    const ws = new WebSocket(`${url.replace('http', 'ws')}/api/graph-ws/6.1/`, ['graph-2.0.0', `token-${token}`]);
    await new Promise<void>((resolve, reject) => {
      ws.once('open', () => resolve());
      ws.once('error', reject);
    });
    return new HiroWriter(ws);
  }

  private constructor(ws: WebSocket) {
    this.#ws = ws;
    ws.on('message', (data) => {
      const frame = JSON.parse(String(data)) as HiroFrame; // sent by hiro-edge
      this.#waiting.get(frame.id)?.(frame);
      this.#waiting.delete(frame.id);
    });
  }

  /** The id of the vertex, or undefined if there is none (any more). Fails on any other error. */
  async ask(type: string, headers: object, body?: object): Promise<string | undefined> {
    this.#ids += 1;
    const id = `w${this.#ids}`;
    const frame = await new Promise<HiroFrame>((resolve, reject) => {
      this.#waiting.set(id, resolve);
      AbortSignal.timeout(PATIENCE_MS).addEventListener('abort', () => reject(new Error(`no answer to ${type}`)));
      this.#ws.send(JSON.stringify({ id, type, headers, body }));
    });
    if (frame.error === undefined) return frame.body?.['ogit/_id'] ?? '';
    assert.equal(frame.error.code, 404, JSON.stringify(frame));
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#ws.terminate();
  }
}

interface HiroFrame {
  readonly id: string;
  readonly body?: { readonly 'ogit/_id'?: string };
  readonly error?: { readonly code: number };
}

/** Creates, changes and deletes products and orders of its own, and those of others; changes Saga's bots. Returns the elements it created. */
async function writeOverHiro(
  graph: HiroWriter,
  chance: Chance,
  run: string,
  subs: readonly string[],
  ids: { readonly wares: string[]; readonly bots: readonly string[] },
): Promise<readonly string[]> {
  const all: string[] = [];
  for (let step = 0; step < 120; step += 1) {
    // HIRO's attributes are strings.
    const body = Object.fromEntries(Object.entries(wareOf(chance, subs)).map(([name, value]) => [name, String(value)]));
    const pick = chance.below(10);
    const id = pick === 9 ? chance.of(ids.bots) : chance.of(ids.wares);
    if (pick < 3 || id === undefined) {
      const type = chance.of(['products', 'orders']);
      const made = await graph.ask('create', { 'ogit/_type': type }, { ...body, run, slot: '1' });
      assert.ok(made, 'a vertex was made');
      ids.wares.push(made);
      all.push(made);
    } else if (pick < 7) await graph.ask('update', { 'ogit/_id': id }, chance.of([body, { price: body.price }]));
    else if (pick === 9) await graph.ask('update', { 'ogit/_id': id }, { price: body.price });
    else await graph.ask('delete', { 'ogit/_id': id });
  }
  return all;
}

/** Over Saga's REST API: creates, renames and deletes bots with all their properties, which are set, incremented and deleted. */
class SagaWriter {
  readonly ids: string[] = [];
  readonly #url: string;
  readonly #token: string;
  readonly #run: string;

  static async open(url: string, run: string): Promise<SagaWriter> {
    const { accessToken = '' } = await post(`${url}/users/login`, ADMINISTRATOR);
    const writer = new SagaWriter(url, accessToken, run);
    for (let at = 0; at < 4; at += 1) await writer.#create(at);
    return writer;
  }

  private constructor(url: string, token: string, run: string) {
    this.#url = url;
    this.#token = token;
    this.#run = run;
  }

  async write(chance: Chance, count: number): Promise<void> {
    for (let step = 0; step < count; step += 1) {
      const bot = chance.of(this.ids);
      const slot = chance.below(SLOTS);
      const name = `${this.#run}-${slot}`;
      const pick = chance.below(20);
      if (pick === 0) await this.#create(slot);
      else if (pick === 1 && this.ids.length > 3) {
        await this.#ask('DELETE', `/bots/${bot}`);
        this.ids.splice(this.ids.indexOf(bot), 1);
      } else if (pick < 5) await this.#ask('PUT', `/bots/${bot}`, { name, tags: [chance.of(['a', 'b'])] });
      else if (pick < 8) await this.#ask('DELETE', `/bots/${bot}/properties/${name}`);
      else if (pick < 12) await this.#ask('POST', `/bots/${bot}/properties/${name}/incr`, { value: 1 + chance.below(3) });
      else await this.#ask('POST', `/bots/${bot}/properties`, { name, value: chance.of([chance.below(20), 'calm', null, { deep: [1] }]) });
    }
  }

  async #create(slot: number): Promise<void> {
    const { _id } = await this.#ask('POST', '/bots', { name: `${this.#run}-${slot}` });
    this.ids.push(String(_id));
  }

  /** A missing property cannot be deleted (404), and a value that is not a number cannot be incremented. */
  async #ask(method: string, path: string, body?: object): Promise<Readonly<Record<string, unknown>>> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', 'access-token': this.#token },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    const may = path.endsWith('/incr') ? [200, 400, 422] : method === 'DELETE' ? [200, 404] : [200];
    assert.ok(may.includes(response.status), `${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }
}

async function post(url: string, data: unknown): Promise<Record<string, string>> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(data) });
  const body = (await response.json()) as Record<string, string>;
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}
