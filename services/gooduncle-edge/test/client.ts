import assert from 'node:assert/strict';
import { PATIENCE_MS } from '@polyedge/testkit/until';
import { WebSocket } from 'ws';
import { USERS, type User } from './system.ts';

export interface Resource {
  readonly id: string;
  readonly [field: string]: unknown;
}

export interface Answer {
  readonly session: { readonly id: string; readonly roles: readonly string[] };
  readonly request: { readonly time: number; readonly payload: unknown };
  readonly response: {
    readonly time: number;
    readonly code: string;
    readonly errors: readonly {
      readonly field: string | null;
      readonly reason: string;
      readonly message: string;
      readonly expected?: unknown;
    }[];
    readonly payload: Resource & { readonly count: number; readonly ids: readonly string[] };
    readonly event?: string;
    readonly seq: number;
    readonly last?: true;
    readonly synced?: true;
    readonly count?: number;
    readonly more?: true;
    readonly cursor?: string;
    readonly version?: number;
    readonly position?: { readonly from: number | null; readonly to: number | null };
    readonly since?: string;
  };
  readonly passport: readonly { readonly service: string; readonly instance: string; readonly in: number; readonly out: number }[];
}

let refs = 0;

/** A client as the original describes it: it sends one character every 300 ms. */
export class Client implements Disposable {
  readonly ws: WebSocket;
  readonly answers: Answer[] = [];
  readonly others: string[] = [];
  /** When each message came, on the monotonic clock. */
  readonly heard: number[] = [];
  closed: { readonly code: number; readonly reason: string; readonly at: number } | undefined;
  openedAt = 0;
  readonly #byRef = new Map<string, Answer[]>();
  #waiting = new Set<() => void>();
  #beat: NodeJS.Timeout | undefined;

  constructor(url: string, options: { readonly beats?: boolean; readonly protocols?: readonly string[]; readonly path?: string } = {}) {
    this.ws = new WebSocket(`${url.replace('http', 'ws')}${options.path ?? '/'}`, [...(options.protocols ?? [])], {
      perMessageDeflate: false,
    });
    this.ws.on('open', () => {
      this.openedAt = performance.now();
      if (options.beats !== false) this.#beat = setInterval(() => this.ws.send('`'), 300);
      this.#wake();
    });
    this.ws.on('message', (data, binary) => {
      assert.equal(binary, false);
      const text = String(data);
      this.heard.push(performance.now());
      if (text.length === 1) this.others.push(text);
      else this.#take(JSON.parse(text) as Answer);
      this.#wake();
    });
    this.ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString(), at: performance.now() };
      clearInterval(this.#beat);
      this.#wake();
    });
    this.ws.on('error', () => {});
  }

  static async open(url: string, user?: User, options?: ConstructorParameters<typeof Client>[1]): Promise<Client> {
    const client = new Client(url, options);
    await client.until(() => client.ws.readyState === WebSocket.OPEN, 'open');
    if (user === undefined) return client;
    const { response } = await client.upgrade(user);
    assert.equal(response.code, 'ok', JSON.stringify(response));
    return client;
  }

  /** Waits until something holds; not holding in time is a failure that shows what came. */
  async until<T>(holds: () => T | undefined | false, what = 'something', ms = PATIENCE_MS): Promise<T> {
    const deadline = performance.now() + ms;
    for (;;) {
      const value = holds();
      if (value !== undefined && value !== false) return value;
      const left = deadline - performance.now();
      if (left <= 0 || (this.closed !== undefined && what !== 'close')) {
        const responses = this.answers.slice(-5).map(({ response }) => response);
        throw new Error(`${what} did not happen; last ${JSON.stringify(responses)}, closed ${JSON.stringify(this.closed)}`);
      }
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, Math.min(left, 250));
        this.#waiting.add(done);
      });
    }
  }

  send(message: unknown): void {
    this.ws.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** All answers to one request, once the last has come. */
  async ask(request: Readonly<Record<string, unknown>>): Promise<readonly Answer[]> {
    const ref = this.start(request);
    return this.until(
      () => {
        const answers = this.to(ref);
        return answers.at(-1)?.response.last === true && answers;
      },
      `the answer to ${JSON.stringify(request)}`,
    );
  }

  /** The answer to a request that has one. */
  async one(request: Readonly<Record<string, unknown>>): Promise<Answer> {
    const answers = await this.ask(request);
    assert.equal(answers.length, 1, JSON.stringify(answers.map(({ response }) => response)));
    const [answer] = answers;
    assert.ok(answer);
    return answer;
  }

  /** Sends a request and returns by what its answers are known. */
  start(request: Readonly<Record<string, unknown>>): string {
    refs += 1;
    const ref = `ref${refs}`;
    this.send({ ...request, ref });
    return ref;
  }

  to(ref: string): readonly Answer[] {
    return this.#byRef.get(ref) ?? [];
  }

  #take(answer: Answer): void {
    this.answers.push(answer);
    const ref = (answer.request.payload as { readonly ref?: string } | null)?.ref;
    if (ref === undefined) return;
    const known = this.#byRef.get(ref);
    if (known === undefined) this.#byRef.set(ref, [answer]);
    else known.push(answer);
  }

  upgrade(user: User): Promise<Answer> {
    return this.one({ type: 'upgrade', ...USERS[user] });
  }

  /** Subscribes and waits for the original matches. */
  async subscribe(request: Readonly<Record<string, unknown>>): Promise<Subscribed> {
    const ref = this.start({ type: 'subscribe', ...request });
    await this.until(() => this.to(ref).some(({ response }) => response.synced || response.last), 'synced');
    return new Subscribed(this, ref);
  }

  end(): Promise<{ readonly code: number; readonly reason: string; readonly at: number }> {
    return this.until(() => this.closed, 'close');
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#beat);
    this.ws.terminate();
  }
}

/** One subscription as its client sees it. */
export class Subscribed {
  readonly #client: Client;
  readonly ref: string;

  constructor(client: Client, ref: string) {
    this.#client = client;
    this.ref = ref;
  }

  get answers(): readonly Answer[] {
    return this.#client.to(this.ref);
  }

  get events(): readonly (string | undefined)[] {
    return this.answers.map(({ response }) => response.event);
  }

  /** Everything after the original matches. */
  get later(): readonly Answer[] {
    const { answers } = this;
    const synced = answers.findIndex(({ response }) => response.synced);
    return answers.slice(synced + 1);
  }

  /** Waits for so many answers after the original matches, and checks that seq has no gap. */
  async next(count: number): Promise<readonly Answer[]> {
    await this.#client.until(() => this.later.length >= count, `${count} events`);
    assert.deepEqual(
      this.answers.map(({ response }) => response.seq),
      this.answers.map((_, at) => at),
    );
    return this.later;
  }
}
