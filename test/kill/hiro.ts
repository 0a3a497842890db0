/** HIRO clients in the kill test: writers with pipelined frames on graph-ws, and subscribers on events-ws. */
import type { RunningService } from '@polyedge/testkit/servers/service';
import { WebSocket } from 'ws';
import type { JournalRow, Truth } from './journal.ts';

export const ADMIN_PASSWORD = 'kill-test-password';
const TYPE = 'ogit/Kill';
/** Frames in flight. */
const PIPELINED = 8;
const PAUSE_MS = 5;
const OPEN_MS = 20_000;

export async function hiroToken(hiro: RunningService): Promise<string> {
  const response = await fetch(`${hiro.url}/api/auth/6.6/app`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: 'kill', client_secret: 'x', username: 'admin', password: ADMIN_PASSWORD }),
    signal: AbortSignal.timeout(OPEN_MS),
  });
  if (!response.ok) throw new Error(`the login was answered ${response.status}`);
  return ((await response.json()) as { _TOKEN: string })._TOKEN;
}

async function open(hiro: RunningService, path: string, protocol: string, token: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${hiro.port}${path}`, [protocol, `token-${token}`], { perMessageDeflate: false });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
    socket.once('close', (code) => reject(new Error(`closed with ${code}`)));
  });
  return socket;
}

interface Sent {
  readonly n: number;
  readonly what: 'create' | 'update';
  outcome: 'waiting' | 'done' | string;
}

/** One graph-ws socket. Each write carries the socket's name and its number, so that it can be found in the journal. */
export class HiroWriter {
  readonly name: string;
  readonly sent: Sent[] = [];
  readonly #socket: WebSocket;
  readonly #waiting = new Map<string, () => void>();
  #noteId: string | undefined;
  #running = false;
  #lanes: Promise<void>[] = [];
  closed: number | undefined;

  private constructor(name: string, socket: WebSocket) {
    this.name = name;
    this.#socket = socket;
    socket.on('message', (data) => this.#answered(String(data)));
    socket.on('close', (code) => {
      this.closed = code;
      for (const resolve of this.#waiting.values()) resolve();
    });
  }

  static async open(name: string, hiro: RunningService): Promise<HiroWriter> {
    return new HiroWriter(name, await open(hiro, '/api/graph-ws/6.1/', 'graph-2.0.0', await hiroToken(hiro)));
  }

  start(): void {
    this.#running = true;
    this.#lanes = Array.from({ length: PIPELINED }, async (_, lane) => {
      if (lane > 0) while (this.#noteId === undefined && this.closed === undefined) await pause(PAUSE_MS);
      while (this.#running && this.closed === undefined) {
        await this.#write();
        await pause(PAUSE_MS);
      }
    });
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#lanes);
  }

  close(): void {
    this.#socket.terminate();
  }

  async #write(): Promise<void> {
    const n = this.sent.length;
    const what = this.#noteId === undefined || n % 3 === 0 ? 'create' : 'update';
    const sent: Sent = { n, what, outcome: 'waiting' };
    this.sent.push(sent);
    const body = { '/writer': this.name, '/n': String(n) };
    const headers = what === 'create' ? { 'ogit/_type': TYPE } : { 'ogit/_id': this.#noteId };
    const answered = new Promise<void>((resolve) => this.#waiting.set(String(n), resolve));
    this.#socket.send(JSON.stringify({ id: String(n), type: what, headers, body }));
    await answered;
  }

  #answered(text: string): void {
    const { id, body, error } = JSON.parse(text) as {
      id: string;
      body?: { 'ogit/_id'?: string };
      error?: { code: number; message: string };
    };
    const sent = this.sent[Number(id)];
    if (sent === undefined) return;
    sent.outcome = error === undefined ? 'done' : `${error.code} ${error.message}`;
    if (error === undefined && sent.what === 'create') this.#noteId ??= body?.['ogit/_id'];
    this.#waiting.get(id)?.();
    this.#waiting.delete(id);
  }

  /** Checks guarantees 1 to 3 for this socket. */
  problems({ rows }: Truth): string[] {
    const problems: string[] = [];
    if (this.closed !== undefined) problems.push(`${this.name} was closed with ${this.closed}`);
    const found = new Map<number, JournalRow[]>();
    for (const row of rows) {
      if (row.attributes['/writer'] !== this.name) continue;
      const n = Number(row.attributes['/n']);
      found.set(n, [...(found.get(n) ?? []), row]);
    }
    let before = 0;
    for (const { n, what, outcome } of this.sent) {
      const at = found.get(n) ?? [];
      const [row] = at;
      if (at.length > 1) problems.push(`${what} ${n} of ${this.name} took effect ${at.length} times`);
      if (row === undefined) {
        if (outcome === 'done') problems.push(`${what} ${n} of ${this.name} was acknowledged and is lost`);
        else if (!/^(429|503)/.test(outcome)) problems.push(`${what} ${n} of ${this.name} had no reason to fail: ${outcome}`);
        continue;
      }
      if (row.seq < before) problems.push(`${what} ${n} of ${this.name} took effect before the write that was sent before it`);
      before = row.seq;
    }
    return problems;
  }
}

/** One events-ws socket that receives the events of all writers above. */
export class HiroWatcher {
  readonly name: string;
  readonly #socket: WebSocket;
  readonly #heard: string[] = [];
  #closed: number | undefined;

  private constructor(name: string, socket: WebSocket) {
    this.name = name;
    this.#socket = socket;
    socket.on('message', (data) => {
      const { id, body } = JSON.parse(String(data)) as { id: string; body: { 'ogit/_v': number } };
      this.#heard.push(`${id} ${body['ogit/_v']}`);
    });
    socket.on('close', (code) => {
      this.#closed = code;
    });
  }

  /** @param touch creates an element of the type, because nothing acknowledges a filter: it is active when an event arrives. */
  static async open(name: string, hiro: RunningService, touch: () => Promise<void>): Promise<HiroWatcher> {
    const watcher = new HiroWatcher(name, await open(hiro, '/api/events-ws/6.2/', 'events-1.0.0', await hiroToken(hiro)));
    const filter = { 'filter-id': 'all', 'filter-type': 'jfilter', 'filter-content': `(element.ogit/_type = ${TYPE})` };
    watcher.#socket.send(JSON.stringify({ type: 'register', args: filter }));
    const deadline = performance.now() + OPEN_MS;
    while (watcher.#heard.length === 0) {
      if (performance.now() > deadline) throw new Error(`${name} never heard of anything`);
      await touch();
      await pause(50);
    }
    return watcher;
  }

  close(): void {
    this.#socket.terminate();
  }

  /** Checks that every change since the first received one arrived once and in order; waits for the last. */
  async problems({ rows }: Truth, withinMs: number): Promise<string[]> {
    if (this.#closed !== undefined) return [`${this.name} was closed with ${this.#closed}`];
    const all = rows.filter(({ type }) => type === TYPE).map(({ id, version }) => `${id} ${version}`);
    const expected = all.slice(all.indexOf(this.#heard[0] ?? ''));
    const deadline = performance.now() + withinMs;
    while (this.#heard.length < expected.length && performance.now() < deadline) await pause(20);
    const at = expected.findIndex((change, index) => this.#heard[index] !== change);
    if (at >= 0) return [`${this.name} heard ${this.#heard[at]} in place of ${expected[at]}, ${this.#heard.length} of ${expected.length}`];
    return this.#heard.length > expected.length ? [`${this.name} heard ${this.#heard.length - expected.length} events too many`] : [];
  }
}

/** Creates one element of the type that the subscribers watch. */
export async function touchHiro(hiro: RunningService, token: string): Promise<void> {
  await fetch(`${hiro.url}/api/graph/7.4/new/${encodeURIComponent(TYPE)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: '{}',
    signal: AbortSignal.timeout(OPEN_MS),
  });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
