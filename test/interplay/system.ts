/** All five edges over one graph, configured as docs/interplay.md says. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { Client as GoodUncleClient } from '../../services/gooduncle-edge/test/client.ts';
import { hashed } from '../../services/gooduncle-edge/test/system.ts';
import { login, post } from '../../services/hiro-edge/test/system.ts';
import { CHEAP_AUTH, Core, Page } from '../../services/jssocket-edge/test/doubles.ts';
import { type Session, session } from '../../services/saga-edge/test/client.ts';
import { asAdmin, Rest } from '../../services/space-edge/test/system.ts';
import { Graph, HiroEvents } from './hiro-client.ts';
import { blockOf } from './page.ts';

/** The account that graph-store creates first, with all rights in every protocol. */
export const ADMIN = { username: 'admin', password: 'admin-password' } as const;
type Login = { readonly username: string; readonly password: string };

export interface System extends AsyncDisposable {
  readonly urls: Readonly<Record<'hiro' | 'saga' | 'space' | 'goodUncle', string>>;
  readonly ports: Readonly<Record<'hiro' | 'jssocket', number>>;
  /** The administrator in each protocol that writes; `saga` receives only what a test joins. */
  readonly hiro: Graph;
  readonly saga: Session;
  /** With a key of the administrator's organization. */
  readonly space: Rest;
  readonly organization: string;
  readonly goodUncle: GoodUncleClient;
  /** Receives every event that the administrator may see, for the whole run. */
  readonly events: HiroEvents;
  goodUncleOf(who: Login): Promise<GoodUncleClient>;
  /** HIRO's sockets of an account. */
  hiroOf(who: Login): Promise<{ readonly hiro: Graph; readonly events: HiroEvents }>;
  sagaOf(who: Login): Promise<Session>;
  /** A page in the group of this name. */
  pageOf(group: string): Promise<Page>;
  /** A new account with these rights, created through HIRO's administration. @returns its id */
  account(who: Login, rights: object): Promise<string>;
}

/** @param onUnexpectedExit called for each service that ends by itself */
export async function startSystem(onUnexpectedExit?: (reason: string) => void): Promise<System> {
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'polyedge-interplay-'));
  parts.defer(() => rm(folder, { recursive: true }));
  const [topics, bridge] = [join(folder, 'topics.yaml'), join(folder, 'bridge.json')];
  await writeFile(topics, blockOf('yaml'));
  await writeFile(bridge, blockOf('json'));

  const [nats, redis, postgres] = await Promise.all([startNats(), startRedis(), sharedPostgres()]);
  for (const part of [nats, redis, postgres]) parts.use(part);
  const common = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: postgres.url, LOG_LEVEL: 'warn' };
  const start = async (name: string, env: Readonly<Record<string, string>> = {}): Promise<RunningService> =>
    parts.use(await startService({ name, env: { ...common, ...env }, ...(onUnexpectedExit === undefined ? {} : { onUnexpectedExit }) }));
  const [, hiro, saga, space, goodUncle, jssocket] = await Promise.all([
    start('graph-store', { POLYEDGE_ADMIN_USERNAME: ADMIN.username, POLYEDGE_ADMIN_PASSWORD: ADMIN.password }),
    start('hiro-edge'),
    start('saga-edge'),
    start('space-edge'),
    start('gooduncle-edge', { GOODUNCLE_TOPICS: topics }),
    start('jssocket-edge', { POLYEDGE_JSSOCKET_BRIDGE: bridge, SOCKET_AUTH: CHEAP_AUTH }),
  ]);
  // Connections are closed before their servers.
  const open = parts.use(new DisposableStack());
  const goodUncleOf = async ({ username, password }: Login): Promise<GoodUncleClient> => {
    const client = open.use(await GoodUncleClient.open(goodUncle.url));
    const { response } = await client.one({ type: 'upgrade', user: username, password: hashed(password) });
    assert.equal(response.code, 'ok');
    return client;
  };
  const hiroOf = async (who: Login) => {
    const { _TOKEN: token } = await login(hiro.url, who);
    const graph = open.use(await Graph.open(hiro.port, token));
    return { hiro: graph, events: open.use(await HiroEvents.open(hiro.port, token, graph)), token };
  };
  const sagaOf = async (who: Login): Promise<Session> => {
    const client = await session(saga.url, who);
    open.defer(() => client.close());
    return client;
  };
  const [{ token, ...hiroAdmin }, sagaAdmin, spaceAdmin, goodUncleAdmin] = await Promise.all([
    hiroOf(ADMIN),
    sagaOf(ADMIN),
    asAdmin(space.url),
    goodUncleOf(ADMIN),
  ]);
  // A page's token is the name of its user, and a user's pages form the group of that name.
  open.use(await Core.start(jssocket.port, { userOf: (name) => name }));
  const kept = parts.move();
  return {
    urls: { hiro: hiro.url, saga: saga.url, space: space.url, goodUncle: goodUncle.url },
    ports: { hiro: hiro.port, jssocket: jssocket.port },
    ...hiroAdmin,
    saga: sagaAdmin,
    space: new Rest(space.url, spaceAdmin.organizationKey),
    organization: spaceAdmin.organization,
    goodUncle: goodUncleAdmin,
    goodUncleOf,
    hiroOf,
    sagaOf,
    pageOf: async (group) => open.use(await Page.login(jssocket.port, group)),
    account: async (who, rights) => {
      const { status, body } = await post(`${hiro.url}/admin/accounts`, { ...who, roles: {}, ...rights }, token);
      assert.equal(status, 200, JSON.stringify(body));
      return (body as { readonly id: string }).id; // hiro-edge answered with the account
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
