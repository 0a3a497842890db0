/** Members of groups over real sockets, and vertices for them to hear of. */
import assert from 'node:assert/strict';
import type { HiroEvent } from '@polyedge/contracts/wire/hiro';
import { Client } from './client.ts';
import { post, type System } from './system.ts';

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

/** Waits for a condition; 20 seconds are a failure. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
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
    for (let tries = 0; ; tries += 1) {
      const id = await this.make(type);
      for (let wait = 0; wait < 20; wait += 1) {
        if (members.some((one) => one.ids().includes(id))) return;
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      assert.ok(tries < 20, 'the group never began');
    }
  }
}

/** Waits until the members together have heard of all of these. */
export async function untilHeard(members: readonly Member[], ids: readonly string[]): Promise<void> {
  const missing = (): string[] => {
    const heard = new Set(members.flatMap((one) => one.ids()));
    return ids.filter((id) => !heard.has(id));
  };
  await until(() => missing().length === 0, `not all of ${ids.length} events came`);
}
