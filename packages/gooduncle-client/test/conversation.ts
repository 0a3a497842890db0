/** A session with a clock, a network and a server of the test's own making. */
import assert from 'node:assert/strict';
import type { Effect, Input, Question, RequestOutcome } from '../src/effects.ts';
import type { Row } from '../src/order.ts';
import { ClientSession } from '../src/session.ts';
import type { Status, Update } from '../src/types.ts';

type Sent = Readonly<Record<string, unknown>> & { readonly type: string; readonly ref?: string; readonly subscription?: string };

export class Conversation {
  at = 1000;
  readonly statuses: Status[] = [];
  readonly outcomes = new Map<number, RequestOutcome>();
  readonly updates: Update<Row>[] = [];
  /** Logins that wait for a token. */
  readonly wanted: string[] = [];
  connects = 0;
  beats = 0;
  roles: readonly string[] = [];
  #sent: Sent[] = [];
  readonly #session: ClientSession;
  #ids = 0;

  constructor(patienceMs = 30_000) {
    const backOffMs = { least: 300, most: 10_000 };
    this.#session = new ClientSession({ random: () => 0.5, parse: JSON.parse, backOffMs, patienceMs });
  }

  handle(input: Input): void {
    for (const effect of this.#session.handle(input, this.at)) this.#carryOut(effect);
  }

  #carryOut(effect: Effect): void {
    switch (effect.do) {
      case 'connect':
        this.connects += 1;
        break;
      case 'send':
        if (effect.text.length === 1) this.beats += 1;
        else this.#sent.push(JSON.parse(effect.text));
        break;
      case 'credentials':
        this.wanted.push(effect.ref);
        break;
      case 'answer':
        assert.ok(!this.outcomes.has(effect.id), 'one outcome each');
        this.outcomes.set(effect.id, effect.outcome);
        break;
      case 'update':
        this.updates.push(effect.update);
        break;
      case 'status':
        this.statuses.push(effect.status);
        break;
      case 'disconnect':
        break;
    }
  }

  static open(patienceMs?: number): Conversation {
    const conversation = new Conversation(patienceMs);
    conversation.handle({ kind: 'tick' });
    conversation.handle({ kind: 'connected' });
    return conversation;
  }

  /** Lets time pass, with a tick whenever one is due. @param alive whether the server's character comes every 300 ms */
  pass(ms: number, alive = true): void {
    const end = this.at + ms;
    let beatAt = this.at + 300;
    for (;;) {
      const next = Math.min(this.#session.dueAt, alive ? beatAt : Number.POSITIVE_INFINITY);
      if (next > end) break;
      this.at = Math.max(this.at, next);
      if (alive && this.at >= beatAt) {
        beatAt += 300;
        this.handle({ kind: 'message', text: '`' });
      } else this.handle({ kind: 'tick' });
    }
    this.at = end;
  }

  /** The connection ends, and there is another one as soon as the client wants it. */
  reconnect(): void {
    this.roles = [];
    this.handle({ kind: 'disconnected', code: 1006 });
    this.pass(this.statuses.at(-1)?.retryInMs ?? 0, false);
    this.handle({ kind: 'connected' });
  }

  ask(kind: Question['kind'], more: Partial<Question> = {}, request: object = {}): number {
    this.#ids += 1;
    const type = kind === 'count' ? 'read' : kind;
    const text = JSON.stringify({ type, ...request });
    this.handle({ kind: 'request', id: this.#ids, question: { kind, text, repeatable: true, ...more } });
    return this.#ids;
  }

  subscribe(request: { readonly sort?: readonly string[]; readonly limit?: number } = {}, hidden: readonly string[] = []): number {
    this.#ids += 1;
    const text = JSON.stringify({ type: 'subscribe', topic: 't', criteria: {}, ...request });
    this.handle({ kind: 'subscribe', id: this.#ids, request: { text, sort: request.sort, limit: request.limit, hidden } });
    return this.#ids;
  }

  /** What the client has sent since the last call. */
  sent(): readonly Sent[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  one(): Sent {
    const [only, ...more] = this.sent();
    assert.ok(only !== undefined && more.length === 0);
    return only;
  }

  answer(payload: Sent, response: object): void {
    const text = JSON.stringify({
      session: { id: 'x', roles: this.roles },
      request: { time: 1, payload },
      response: { time: 2, code: 'ok', errors: [], payload: {}, seq: 0, ...response },
      passport: [{}],
    });
    this.handle({ kind: 'message', text });
  }

  refuse(payload: Sent, code: string, reason = 'internal'): void {
    this.answer(payload, { code, errors: [{ field: null, reason, message: reason }], last: true });
  }

  /** Original matches, up to `synced`. */
  synced(payload: Sent, rows: readonly Row[], version: number): void {
    if (rows.length === 0) this.answer(payload, { synced: true, count: 0, version });
    for (const [seq, row] of rows.entries()) {
      const last = seq === rows.length - 1 ? { synced: true, count: rows.length } : {};
      this.answer(payload, { event: 'original match', payload: row, seq, version, position: { from: null, to: seq }, ...last });
    }
  }

  get ids(): string {
    return (this.updates.at(-1)?.rows ?? []).map(({ id }) => id).join('');
  }
}
