/** The real thing for wire tests: NATS, Redis, PostgreSQL, graph-store and space-edge, each a process of its own. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { startNats } from '@polyedge/testkit/servers/nats';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres, sharedRedis } from '@polyedge/testkit/servers/shared';

export const ADMIN = { username: 'admin', password: 'admin-password' } as const;

type Env = Readonly<Record<string, string>>;

export interface System extends AsyncDisposable {
  readonly natsUrl: string;
  readonly space: RunningService;
  readonly store: RunningService;
  /** Another replica, or one with other settings. */
  startSpace(env?: Env): Promise<RunningService>;
  startStore(): Promise<RunningService>;
}

export async function startSystem(env: Env = {}): Promise<System> {
  await using parts = new AsyncDisposableStack();
  // Subjects are heard by all users of a NATS server, so this one is nobody else's.
  const [nats, redis, postgres] = await Promise.all([startNats(), sharedRedis(), sharedPostgres()]);
  for (const part of [nats, redis, postgres]) parts.use(part);
  const common = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: postgres.url, LOG_LEVEL: 'warn' };
  const storeEnv = { ...common, POLYEDGE_ADMIN_USERNAME: ADMIN.username, POLYEDGE_ADMIN_PASSWORD: ADMIN.password };
  const store = parts.use(await startService({ name: 'graph-store', env: storeEnv }));
  const space = parts.use(await startService({ name: 'space-edge', env: { ...common, ...env } }));
  const kept = parts.move();
  return {
    natsUrl: nats.url,
    space,
    store,
    startSpace: async (more = {}) => kept.use(await startService({ name: 'space-edge', env: { ...common, ...env, ...more } })),
    startStore: async () => kept.use(await startService({ name: 'graph-store', env: storeEnv })),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

export interface Answered {
  readonly status: number;
  // Any JSON: tests say what they expect of it.
  readonly body: Json;
  readonly headers: Headers;
}

/** JSON with everything a test may look for, each possibly absent. */
export interface Json {
  readonly [name: string]: Json;
}

/** Calls of one client: with a key, on one replica. */
export class Rest {
  readonly #url: string;
  readonly #key: string | undefined;

  constructor(url: string, key?: string) {
    this.#url = url;
    this.#key = key;
  }

  get(path: string): Promise<Answered> {
    return this.call('GET', path);
  }
  delete(path: string): Promise<Answered> {
    return this.call('DELETE', path);
  }
  post(path: string, body?: unknown): Promise<Answered> {
    return this.call('POST', path, body);
  }
  put(path: string, body?: unknown): Promise<Answered> {
    return this.call('PUT', path, body);
  }

  /** A pricing as a file. */
  upload(path: string, yaml: string): Promise<Answered> {
    const form = new FormData();
    form.set('pricing', new Blob([yaml], { type: 'application/yaml' }), 'pricing.yml');
    return this.call('POST', path, form);
  }

  async call(method: string, path: string, body?: unknown, headers: Env = {}): Promise<Answered> {
    const form = body instanceof FormData;
    const response = await fetch(`${this.#url}/api/v1${path}`, {
      method,
      headers: {
        ...(this.#key === undefined ? {} : { 'x-api-key': this.#key }),
        ...(body === undefined || form ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: form ? body : typeof body === 'string' ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(70_000),
    });
    const text = await response.text();
    // What is not JSON is an empty answer or a page; the status is what matters then.
    const json = response.headers.get('content-type')?.startsWith('application/json') === true ? JSON.parse(text) : { text };
    return { status: response.status, body: json, headers: response.headers };
  }
}

export interface Administrator {
  readonly rest: Rest;
  readonly key: string;
  readonly organization: string;
  readonly organizationKey: string;
}

/** Checking a password is meant to be slow, so a test logs him in once at each edge. */
const administrators = new Map<string, Promise<Administrator>>();

/** The administrator with the key of a user, and the organization that came with him. */
export function asAdmin(url: string): Promise<Administrator> {
  const known = administrators.get(url) ?? loggedIn(url);
  administrators.set(url, known);
  return known;
}

async function loggedIn(url: string): Promise<Administrator> {
  const login = await new Rest(url).post('/users/authenticate', ADMIN);
  assert.equal(login.status, 200, JSON.stringify(login.body));
  const key = String(login.body.apiKey);
  const rest = new Rest(url, key);
  const listed = await rest.get('/organizations?q=admin');
  assert.equal(listed.status, 200, JSON.stringify(listed.body));
  const organization = listed.body.data?.[0];
  return { rest, key, organization: String(organization?.id), organizationKey: String(organization?.apiKeys?.[0]?.key) };
}

let made = 0;
const unique = (): string => {
  made += 1;
  return `${Date.now().toString(36)}${made}`;
};

/** A new organization of the administrator's, with the calls of its ALL key. */
export async function newOrganization(
  url: string,
): Promise<{ readonly id: string; readonly key: string; readonly rest: Rest; readonly admin: Rest }> {
  const { rest: admin } = await asAdmin(url);
  const created = await admin.post('/organizations', { name: `org ${unique()}`, owner: ADMIN.username });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  const key = String(created.body.apiKeys?.[0]?.key);
  return { id: String(created.body.id), key, rest: new Rest(url, key), admin };
}

const WIREMOCK = readFileSync(new URL('./pricings/wiremock.yml', import.meta.url), 'utf8');

export const pricingFile = (name: string): string => readFileSync(new URL(`./pricings/${name}.yml`, import.meta.url), 'utf8');

/** A small pricing of a service under a version. */
export function pricing(service: string, version: string, createdAt = '2024-05-04'): string {
  return WIREMOCK.replace('saasName: WireMock', `saasName: ${JSON.stringify(service)}`)
    .replace('version: "2024"', `version: ${JSON.stringify(version)}`)
    .replace('2024-05-04', createdAt);
}
