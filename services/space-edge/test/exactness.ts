/**
 * Evaluations that consume, from many clients on two replicas, while graph-store and an edge are killed. Every allowed answer says how far the
 * level is after it, so answers can be held against each other: no two may have seen the same level, none may be above the limit, and in
 * the end the level is the number of allowed evaluations, apart from those whose answer was lost with an edge.
 */
import assert from 'node:assert/strict';
import { until } from '@polyedge/testkit/until';
import { type Json, newOrganization, Rest, type System } from './system.ts';

export interface Load {
  readonly clients: number;
  readonly users: number;
  readonly evaluations: number;
  /** Of each user, for both limits. */
  readonly limit: number;
  /** How many evaluations pass between two kills; graph-store and the second edge take turns. */
  readonly killEvery: number;
  readonly random: () => number;
}

export interface Outcome {
  readonly allowed: number;
  readonly refused: number;
  /** Answers that did not come: nobody knows whether they consumed. */
  readonly lost: number;
  readonly kills: number;
  /** All levels together, as they are stored in the end. */
  readonly consumed: number;
}

const LIMITS = ['minutes', 'rooms'] as const;

const pricing = (limit: number): string => `
syntaxVersion: "3.0"
saasName: Counter
version: "1"
createdAt: "2024-05-04"
currency: EUR
features:
  calls:
    type: DOMAIN
    valueType: BOOLEAN
    defaultValue: true
    expression: >-
      subscriptionContext['minutes'] < pricingContext['usageLimits']['minutes'] &&
      subscriptionContext['rooms'] < pricingContext['usageLimits']['rooms']
usageLimits:
  minutes: { type: RENEWABLE, period: { value: 1, unit: YEAR }, valueType: NUMERIC, defaultValue: ${limit}, linkedFeatures: [calls] }
  rooms: { type: NON_RENEWABLE, trackable: true, valueType: NUMERIC, defaultValue: ${limit}, linkedFeatures: [calls] }
plans:
  BASIC: { price: 0, features: null, usageLimits: null }
`;

/** A connection that was refused carried nothing; after any other failure nobody knows. */
function failureOf(error: unknown): 'nobody there' | 'no answer' {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED' ? 'nobody there' : 'no answer';
}

export async function consumeUnderFire(system: System, load: Load): Promise<Outcome> {
  const { clients, users, evaluations, limit, killEvery, random } = load;
  const other = await system.startSpace();
  const { rest, key } = await newOrganization(system.space.url);
  const replicas = [new Rest(system.space.url, key), new Rest(other.url, key)];
  assert.equal((await rest.upload('/services', pricing(limit))).status, 201);
  const names = Array.from({ length: users }, (_, number) => `user-${number}`);
  for (const userId of names) {
    const made = await rest.post('/contracts', {
      userContact: { userId, username: userId },
      contractedServices: { Counter: '1' },
      subscriptionPlans: { Counter: 'BASIC' },
      subscriptionAddOns: {},
    });
    assert.equal(made.status, 201, JSON.stringify(made.body));
  }

  const seen = new Map(names.map((userId) => [userId, new Set<number>()]));
  const count = { begun: 0, allowed: 0, refused: 0, lost: 0, kills: 0 };
  const evaluate = async (replica: Rest, userId: string): Promise<void> => {
    const asked = { 'counter-minutes': 1, 'counter-rooms': 1 };
    const answer = await replica.post(`/features/${userId}/counter-calls`, asked).catch(failureOf);
    if (answer === 'nobody there') {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return evaluate(replicas[0] ?? replica, userId);
    }
    // 503 says that the outcome may be unknown, too.
    if (answer === 'no answer' || answer.status === 503) {
      count.lost += 1;
      return;
    }
    const { status, body } = answer;
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.error, null, JSON.stringify(body));
    if (String(body.eval) !== 'true') {
      count.refused += 1;
      return;
    }
    count.allowed += 1;
    const [minutes, rooms] = LIMITS.map((name) => Number((body.used as Json)[`counter-${name}`]));
    assert.equal(minutes, rooms, `${userId} consumed of both or of none`);
    assert.ok(Number(minutes) <= limit, `${userId} passed the limit: ${minutes}`);
    assert.ok(!seen.get(userId)?.has(Number(minutes)), `${userId} was given level ${minutes} twice`);
    seen.get(userId)?.add(Number(minutes));
  };
  const client = async (): Promise<void> => {
    while (count.begun < evaluations) {
      count.begun += 1;
      const [replica, userId] = [replicas[Math.floor(random() * replicas.length)], names[Math.floor(random() * names.length)]];
      if (replica !== undefined && userId !== undefined) await evaluate(replica, userId);
    }
  };
  const killing = async (): Promise<void> => {
    for (let at = killEvery; at < evaluations; at += killEvery) {
      await until(`evaluation ${at}`, () => count.begun >= at, { withinMs: 600_000 });
      count.kills += 1;
      const victim = count.kills % 2 === 1 ? system.store : other;
      await victim.kill();
      await victim.restart();
    }
  };
  await Promise.all([killing(), ...Array.from({ length: clients }, client)]);

  let consumed = 0;
  for (const userId of names) {
    const { body } = await rest.get(`/contracts/${userId}`);
    const [minutes, rooms] = LIMITS.map((name) => Number(body.usageLevels?.counter?.[name]?.consumed));
    assert.equal(minutes, rooms, userId);
    assert.ok(Number(minutes) <= limit, `${userId} passed the limit`);
    const allowed = seen.get(userId)?.size ?? 0;
    assert.ok(allowed <= Number(minutes), `${userId}: ${allowed} evaluations were allowed, but only ${minutes} are counted`);
    consumed += Number(minutes);
  }
  assert.ok(consumed >= count.allowed && consumed <= count.allowed + count.lost, JSON.stringify({ ...count, consumed }));
  return { ...count, consumed };
}
