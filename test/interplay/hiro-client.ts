/** HIRO's two sockets for these tests: one that writes, and one that receives everything it may see. */
import assert from 'node:assert/strict';
import { Client } from '../../services/hiro-edge/test/client.ts';

/** An element as HIRO shows it: attribute to value. */
export type Vertex = Readonly<Record<string, unknown>>;

export interface HiroEvent {
  readonly id: string;
  readonly type: string;
  readonly body: Vertex;
  readonly metadata: Vertex;
  readonly nanotime: number;
  readonly timestamp: number;
}

/** A graph-ws socket. */
export class Graph implements Disposable {
  readonly #client: Client;
  #ids = 0;

  static async open(port: number, token: string): Promise<Graph> {
    const client = new Client(port, '/api/graph-ws/6.1/', ['graph-2.0.0', `token-${token}`]);
    await client.open();
    return new Graph(client);
  }

  private constructor(client: Client) {
    this.#client = client;
  }

  async #answer(type: string, headers: object, body: object): Promise<Readonly<Record<string, unknown>> | undefined> {
    this.#ids += 1;
    const id = String(this.#ids);
    this.#client.send({ id, type, headers, body });
    return (await this.#client.answer(id))[0];
  }

  /** One request and the element that it answers with. */
  async #ask(type: string, headers: object, body: object = {}): Promise<Vertex> {
    const frame = await this.#answer(type, headers, body);
    assert.equal(frame?.error, undefined, JSON.stringify(frame));
    return frame?.body as Vertex; // hiro-edge answered with an element
  }

  /** One request that is rejected. */
  async refused(type: string, headers: object, body: object): Promise<{ readonly code: number; readonly message: string }> {
    const frame = await this.#answer(type, headers, body);
    assert.ok(frame?.error, JSON.stringify(frame));
    return frame.error as { readonly code: number; readonly message: string }; // the form of every error
  }

  create(type: string, body: object): Promise<Vertex> {
    return this.#ask('create', { 'ogit/_type': type }, body);
  }

  update(id: string, body: object): Promise<Vertex> {
    return this.#ask('update', { 'ogit/_id': id }, body);
  }

  delete(id: string): Promise<Vertex> {
    return this.#ask('delete', { 'ogit/_id': id });
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

/** The type of marker vertices, which show that a subscription is active. */
const MARK = 'interplay/Mark';

/** An events-ws socket with a filter that matches everything. */
export class HiroEvents implements Disposable {
  readonly #client: Client;
  readonly #writer: Graph;

  /** @param writer creates markers for this socket */
  static async open(port: number, token: string, writer: Graph): Promise<HiroEvents> {
    const client = new Client(port, '/api/events-ws/6.2/', ['events-1.0.0', `token-${token}`]);
    await client.open();
    const events = new HiroEvents(client, writer);
    client.send({ type: 'register', args: { 'filter-id': 'all', 'filter-type': 'jfilter', 'filter-content': '(element.ogit/_type = *)' } });
    // A registration has no answer: it is active when an event arrives.
    while (!client.frames.some(isMark)) await writer.create(MARK, {});
    return events;
  }

  private constructor(client: Client, writer: Graph) {
    this.#client = client;
    this.#writer = writer;
  }

  get #all(): readonly HiroEvent[] {
    return this.#client.frames.filter(isEvent);
  }

  /** All events of the writes so far, except the markers; only of these elements, if ids are given. */
  async heard(...ids: readonly string[]): Promise<readonly HiroEvent[]> {
    const { 'ogit/_id': mark } = await this.#writer.create(MARK, {});
    await this.#client.until(() => this.#all.some(({ id }) => id === mark));
    return this.#all.filter(({ id, body }) => body['ogit/_type'] !== MARK && (ids.length === 0 || ids.includes(id)));
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

// Frames of events-ws are events or errors.
const isEvent = (frame: unknown): frame is HiroEvent => typeof frame === 'object' && frame !== null && 'nanotime' in frame;
const isMark = (frame: unknown): boolean => isEvent(frame) && frame.body['ogit/_type'] === MARK;

/** An event without times and stamps: its type, element, version and attributes. */
export function told({ type, id, body }: HiroEvent) {
  assert.equal(body['ogit/_id'], id);
  const attributes: Vertex = Object.fromEntries(Object.entries(body).filter(([name]) => !name.startsWith('ogit/_')));
  return { type, of: body['ogit/_type'], version: body['ogit/_v'], deleted: body['ogit/_is-deleted'], attributes };
}
