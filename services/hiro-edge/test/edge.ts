/** hiro-edge alone, on the bus inside this process: for what it does before and without graph-store. Tokens come from a key of the test's own. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { accountsKeys, accountsRevoked } from '@polyedge/contracts/bus/accounts';
import { done } from '@polyedge/contracts/errors';
import { claimsOf, TOKEN_TYPE } from '@polyedge/contracts/token-claims';
import { readConfig } from '@polyedge/service-kit/config';
import { type LocalBus, localBus } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { WebSocket } from 'ws';
import { startHiroEdge } from '../src/app.ts';
import { settings } from '../src/config.ts';

export interface LoneEdge extends AsyncDisposable {
  readonly port: number;
  readonly bus: LocalBus;
  token(over?: { readonly account?: string; readonly lifetimeMs?: number }): string;
  /** Revokes everything an account was given. */
  revoke(account: string): void;
  drain(): Promise<void>;
}

export async function startLoneEdge(env: Readonly<Record<string, string>> = {}): Promise<LoneEdge> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { x } = publicKey.export({ format: 'jwk' });
  const bus = localBus();
  bus.respond(accountsKeys, async () => done({ keys: [{ kid: 'k1', kty: 'OKP', crv: 'Ed25519', x: x ?? '' }], revocations: [] }));
  const read = readConfig('hiro-edge', settings, { POLYEDGE_MODE: 'local', PORT: '0', ...env });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  const edge = await startHiroEdge(read.config, { log: silentLog, metrics: noMetrics(), ready: () => true }, bus);
  const until = Date.now() + 5000;
  while (edge.ready() !== true) {
    if (Date.now() > until) throw new Error(`not ready: ${edge.ready()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  let count = 0;
  return {
    port: edge.port,
    bus,
    token: ({ account = 'acc1', lifetimeMs = 600_000 } = {}) => {
      count += 1;
      const issuedAt = Date.now();
      const claims = claimsOf({
        account: {
          id: account,
          tenant: 'acme',
          username: account,
          roles: {},
          defaultScope: 'scope1',
          scopes: [],
          disabled: false,
          attributes: {},
        },
        ...{ session: `s${count}`, app: 'test', protocol: 'hiro', id: `t${count}`, issuedAt, expiresAt: issuedAt + lifetimeMs },
      });
      const text = [{ alg: 'EdDSA', kid: 'k1', typ: TOKEN_TYPE }, claims]
        .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
        .join('.');
      return `${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`;
    },
    revoke: (account) => bus.publish(accountsRevoked, {}, { account, before: Date.now() + 1 }),
    drain: () => edge.drain(),
    [Symbol.asyncDispose]: async () => {
      await edge.stop();
      await bus.close();
    },
  };
}

/** A client socket that remembers everything it was told. */
export class Client {
  readonly ws: WebSocket;
  readonly frames: unknown[] = [];
  readonly texts: string[] = [];
  openedAt = 0;
  closedAt = 0;
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** The status of a refused upgrade. */
  status: number | undefined;
  #wake: () => void = () => {};

  constructor(
    port: number,
    path: string,
    protocols: readonly string[],
    options: { readonly autoPong?: boolean; readonly headers?: Record<string, string> } = {},
  ) {
    this.ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, [...protocols], {
      perMessageDeflate: false,
      maxPayload: 64 * 1024 * 1024,
      ...options,
    });
    this.ws.on('open', () => {
      this.openedAt = performance.now();
      this.#wake();
    });
    this.ws.on('message', (data) => {
      const text = String(data);
      this.texts.push(text);
      this.frames.push(JSON.parse(text));
      this.#wake();
    });
    this.ws.on('unexpected-response', (_request, response) => {
      this.status = response.statusCode;
      this.ws.terminate();
      this.#wake();
    });
    this.ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.closedAt = performance.now();
      this.#wake();
    });
    this.ws.on('error', () => {});
  }

  /** Waits until something holds; 10 seconds are a failure that shows what was received. */
  async until<T>(holds: () => T | undefined | false): Promise<T> {
    const deadline = Date.now() + 10_000;
    for (;;) {
      const value = holds();
      if (value !== undefined && value !== false) return value;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`did not happen; received ${JSON.stringify(this.frames)}, closed ${JSON.stringify(this.closed)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 1000));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  open(): Promise<boolean> {
    return this.until(() => this.ws.readyState === WebSocket.OPEN);
  }

  end(): Promise<{ readonly code: number; readonly reason: string }> {
    return this.until(() => this.closed);
  }

  send(message: unknown): void {
    this.ws.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** The frames of one request, once the last of them has come. */
  answer(id: unknown): Promise<Record<string, unknown>[]> {
    return this.until(() => {
      const frames = this.frames.filter(
        (frame): frame is Record<string, unknown> => typeof frame === 'object' && frame !== null && 'id' in frame && frame.id === id,
      );
      const last = frames.at(-1);
      return last !== undefined && (last.error !== undefined || last.more === false) ? frames : undefined;
    });
  }

  [Symbol.dispose](): void {
    this.ws.terminate();
  }
}
