/** saga-edge alone, on the bus inside this process: what it answers is decided by the test. */
import { type Account, accountsGet } from '@polyedge/contracts/bus/accounts';
import { graphGet } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { done, type ErrorCode, failed } from '@polyedge/contracts/errors';
import { readConfig } from '@polyedge/service-kit/config';
import { type LocalBus, localBus } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { tokenMaker } from '@polyedge/testkit/token-maker';
import { startSagaEdge } from '../src/app.ts';
import { settings } from '../src/config.ts';

export interface LoneEdge extends AsyncDisposable {
  readonly url: string;
  readonly bus: LocalBus;
  readonly token: ReturnType<typeof tokenMaker>;
}

const ADMINISTRATOR = '000000000000000000000003';

/**
 * Accounts are there by their ids: `admin`, `nobody-yet` whose e-mail is not verified, and others without rights; not `gone`. Elements are there
 * unless their id is among `failures`.
 * @param rolesRead what the directory waits for before it answers with the tenant's roles
 */
export async function startLoneEdge(
  failures: readonly ErrorCode[],
  env: Readonly<Record<string, string>> = {},
  rolesRead: () => Promise<void> = async () => {},
): Promise<LoneEdge> {
  const bus = localBus();
  const token = tokenMaker(bus);
  const account = (id: string): Account => ({
    ...{ id, tenant: 'default', username: id, roles: { saga: id === 'admin' ? [ADMINISTRATOR] : [] }, defaultScope: 's', scopes: [] },
    ...{ disabled: false, attributes: id === 'unverified' ? { saga: { verified: false } } : {} },
  });
  bus.respond(accountsGet, async ({ ids = [], username }) => {
    if (username !== undefined) await rolesRead();
    return done({ accounts: ids.filter((id) => id !== 'gone').map(account) });
  });
  bus.respond(graphGet, async ({ ids }) => {
    const failure = failures.find((code) => ids.includes(code));
    return failure === undefined ? done({ elements: ids.map(element), seq: 1, epoch: 'e' }) : failed(failure);
  });
  const read = readConfig('saga-edge', settings, { POLYEDGE_MODE: 'local', PORT: '0', ...env });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  const edge = await startSagaEdge(read.config, { log: silentLog, metrics: noMetrics(), ready: () => true, instance: 'lone' }, bus);
  return {
    url: `http://127.0.0.1:${edge.port}`,
    bus,
    token: (options) => token({ tenant: 'default', protocol: 'saga', ...options }),
    [Symbol.asyncDispose]: async () => {
      await edge.stop();
      await bus.close();
    },
  };
}

const element = (id: string): Element => ({
  ...{ tenant: 'default', id, kind: 'vertex', type: 'saga/Bot', scope: 's', attributes: {}, version: 1, seq: 1, deleted: false },
  ...{ created: { on: 1, by: 'a', app: 'a' }, modified: { on: 1, by: 'a', app: 'a' } },
});
