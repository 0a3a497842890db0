/** graph-store in processes of its own, on real servers, and what its tests ask of it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { graphPosition } from '@polyedge/contracts/bus/feed';
import {
  graphMutate,
  type MutationOutcome,
  type MutationRequest,
  type MutationResult,
  type Operation,
} from '@polyedge/contracts/bus/graph';
import type { ReplyOf } from '@polyedge/contracts/channel';
import type { Element } from '@polyedge/contracts/element';
import type { Failure, Outcome } from '@polyedge/contracts/errors';
import { operationId } from '@polyedge/contracts/operation-id';
import { silentLog } from '@polyedge/service-kit/log';
import { connectNatsBus, type NatsBus } from '@polyedge/service-kit/nats-bus';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import postgres from 'postgres';

export const TENANT = 'default';

export interface RunningStore extends AsyncDisposable {
  readonly nats: RunningServer;
  readonly redis: RunningServer;
  readonly databaseUrl: string;
  readonly replicas: readonly RunningService[];
  readonly bus: NatsBus;
  /** A client of the database itself, to look where the bus does not. */
  readonly sql: postgres.Sql;
  /** One request with a fresh operation id. */
  mutate(...operations: Operation[]): Promise<MutationOutcome>;
  /** A request that must succeed. */
  done(...operations: Operation[]): Promise<MutationResult>;
  /** A request that must fail. */
  refused(...operations: Operation[]): Promise<Failure>;
  /** The one element of a request of one operation that must succeed. */
  element(operation: Operation): Promise<Element>;
  /** Requests of one connection, in order. */
  send(
    requests: readonly MutationRequest[],
    timeoutMs?: number,
    tenant?: string,
  ): Promise<Outcome<{ epoch: string; outcomes: MutationOutcome[] }>>;
}

/** @param own a PostgreSQL of the test's own, to be stopped or broken; otherwise a database on the shared one */
export async function startStore(
  replicas = 1,
  env: Readonly<Record<string, string>> = {},
  own?: { readonly url: string },
): Promise<RunningStore> {
  const parts = new AsyncDisposableStack();
  try {
    const [nats, redis] = await Promise.all([startNats(), startRedis()]);
    for (const server of [nats, redis]) parts.use(server);
    const database = own ?? parts.use(await sharedPostgres());
    const all = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: database.url, LOG_LEVEL: 'warn', ...env };
    const running = await Promise.all(
      Array.from({ length: replicas }, async () => parts.use(await startService({ name: 'graph-store', env: all }))),
    );
    const connected = await connectNatsBus({ url: nats.url, service: 'test', log: silentLog });
    assert.ok(connected.ok);
    const bus = connected.value;
    parts.defer(() => bus.close());
    const sql = postgres(database.url, {
      max: 2,
      onnotice: () => {},
      types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
    });
    parts.defer(() => sql.end({ timeout: 1 }));
    const send: RunningStore['send'] = (requests, timeoutMs = 30_000, tenant = TENANT) =>
      bus.request(graphMutate, graphMutate.subject({ tenant }), { defaultScope: 'scope', requests }, { timeoutMs });
    const mutate: RunningStore['mutate'] = async (...operations) => {
      const reply = await send([requestOf(...operations)]);
      assert.ok(reply.ok, JSON.stringify(reply));
      const [outcome] = reply.value.outcomes;
      assert.ok(outcome);
      return outcome;
    };
    const done: RunningStore['done'] = async (...operations) => {
      const outcome = await mutate(...operations);
      assert.ok(outcome.ok, JSON.stringify(outcome));
      return outcome.value;
    };
    return {
      nats,
      redis,
      databaseUrl: database.url,
      replicas: running,
      bus,
      sql,
      mutate,
      done,
      send,
      async refused(...operations) {
        const outcome = await mutate(...operations);
        assert.ok(!outcome.ok, JSON.stringify(outcome));
        return outcome.failure;
      },
      async element(operation) {
        const element = (await done(operation)).operations[0]?.elements[0];
        assert.ok(element);
        return element;
      },
      [Symbol.asyncDispose]: () => parts.disposeAsync(),
    };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

/** A request under an operation id of its own. */
export function requestOf(...operations: Operation[]): MutationRequest {
  return {
    operationId: operationId(Date.now(), randomBytes(10)),
    by: 'tester',
    app: 'test',
    origin: { protocol: 'test', way: 'job', operation: 'test' },
    operations,
  };
}

let made = 0;
/** An id that nothing else has. */
export const freshId = (name = 'e'): string => `${name}-${process.pid}-${made++}`;

/** The journal's epoch, its newest seq, and how it is divided. */
export async function positionOf({ bus }: RunningStore): Promise<ReplyOf<typeof graphPosition>> {
  const reply = await bus.request(graphPosition, graphPosition.subject({}), {}, { timeoutMs: 30_000 });
  assert.ok(reply.ok, JSON.stringify(reply));
  return reply.value;
}
