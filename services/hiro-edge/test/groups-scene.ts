/** Members of groups over real sockets, and vertices for them to hear of. */
import type { HiroEvent } from '@polyedge/contracts/wire/hiro';
import { until } from '@polyedge/testkit/until';
import { Client } from './client.ts';
import { post, type System } from './system.ts';

/** When nobody has heard of a vertex by then, another one is made. */
const ANOTHER_MS = 500;

export interface Member extends Disposable {
  readonly client: Client;
  events(): HiroEvent[];
  ids(): string[];
}

export interface MemberOptions {
  readonly offset?: string;
  readonly port?: number;
  readonly autoPong?: boolean;
}

/** What an administrator with a token does in a system of tests. */
export class Scene {
  readonly token: string;
  readonly #system: Pick<System, 'hiro'>;

  constructor(system: Pick<System, 'hiro'>, token: string) {
    this.#system = system;
    this.token = token;
  }

  async make(type: string, body: object = {}): Promise<string> {
    const { body: vertex } = await post(`${this.#system.hiro.url}/api/graph/7.4/new/${encodeURIComponent(type)}`, body, this.token);
    return String((vertex as Readonly<Record<string, unknown>>)['ogit/_id']);
  }

  makeMany(type: string, count: number): Promise<string[]> {
    return Promise.all(Array.from({ length: count }, () => this.make(type)));
  }

  /** A socket in a group, with one filter. */
  async member(group: string, type: string, options: MemberOptions = {}): Promise<Member> {
    const { offset = 'largest', port = this.#system.hiro.port, autoPong = true } = options;
    const path = `/api/events-ws/6.2/?groupId=${group}&offset=${offset}`;
    const client = new Client(port, path, ['events-1.0.0', `token-${this.token}`], { autoPong });
    await client.open();
    client.send({
      type: 'register',
      args: { 'filter-id': 'f', 'filter-type': 'jfilter', 'filter-content': `(element.ogit/_type = ${type})` },
    });
    const events = (): HiroEvent[] => (client.frames as HiroEvent[]).filter(({ id }) => id !== undefined);
    return { client, events, ids: () => events().map(({ id }) => id), [Symbol.dispose]: () => client.ws.terminate() };
  }

  /** Nothing acknowledges a `register`: a vertex is made now and then until the group hears of one. */
  async untilLive(members: readonly Member[], type: string): Promise<void> {
    const made: string[] = [];
    let nextAt = 0;
    await until('the group hears of a vertex', async () => {
      if (performance.now() >= nextAt) {
        made.push(await this.make(type));
        nextAt = performance.now() + ANOTHER_MS;
      }
      return members.some((one) => one.ids().some((id) => made.includes(id)));
    });
  }
}

/** Waits until the members together have heard of all of these. */
export async function untilHeard(members: readonly Member[], ids: readonly string[]): Promise<void> {
  const missing = (): string[] => {
    const heard = new Set(members.flatMap((one) => one.ids()));
    return ids.filter((id) => !heard.has(id));
  };
  await until(`all of ${ids.length} events come`, () => missing().length === 0, { seen: missing });
}
