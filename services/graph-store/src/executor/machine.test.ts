import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MutationOutcome, MutationRequest } from '@polyedge/contracts/bus/graph';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Committed } from '../publisher/recent.ts';
import { ExecutorMachine } from './machine.ts';
import type { BatchReply, ExecutorCall, ExecutorEffect, LaneName, Ran, Submission } from './messages.ts';

const idOf = (name: string): string => Buffer.from(name).toString('hex').padStart(32, '0');
const NAMES = new Map<string, string>();

function requestOf(name: string, element = name): MutationRequest {
  NAMES.set(idOf(name), name);
  return {
    operationId: idOf(name),
    by: 'anna',
    app: 'test',
    origin: { protocol: 'hiro', way: 'socket', operation: 'test' },
    operations: [{ op: 'delete', target: { id: element } }],
  };
}

const messageOf = (...names: string[]): Submission => ({
  tenant: 't',
  defaultScope: 's',
  requests: names.map((name) => requestOf(name)),
  bytes: 100,
  deadline: 1000,
  trusted: true,
});

const success = (): MutationOutcome => ({ ok: true, value: { first: 1, last: 1, operations: [] } });
const refusal: MutationOutcome = { ok: false, failure: { code: 'not-found' } };
const committed = (count: number, changes: readonly Committed[] = []): Ran => ({
  is: 'committed',
  epoch: 'e',
  outcomes: Array.from({ length: count }, success),
  changes,
});

/** A machine whose driver is the test: each of its calls is a line, and is answered by it. */
class Bench {
  readonly machine = new ExecutorMachine();
  readonly answers: string[] = [];
  readonly lines: string[] = [];
  at = 0;
  readonly #calls: { readonly id: number; readonly call: ExecutorCall }[] = [];
  #messages = 0;

  submit(submission: Submission): void {
    this.#messages += 1;
    this.#take(this.machine.handle({ kind: 'submit', message: this.#messages, submission, wall: 0 }, this.at));
  }

  begin(lane: LaneName = 'small'): void {
    this.#take(this.machine.handle({ kind: 'begin', lane }, this.at));
  }

  stop(): void {
    this.#take(this.machine.handle({ kind: 'stop' }, this.at));
  }

  /** Answers the oldest call. @returns what was said since the last time */
  answer(outcome: Outcome<unknown>): string[] {
    const pending = this.#calls.shift();
    assert.ok(pending !== undefined, 'no call waits');
    this.#take(this.machine.handle({ kind: 'reply', id: pending.id, outcome }, this.at));
    return this.said();
  }

  ran(ran: Ran): string[] {
    return this.answer(done(ran));
  }

  said(): string[] {
    return this.lines.splice(0);
  }

  #take(effects: readonly ExecutorEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'call') this.#calls.push(effect);
      this.lines.push(lineOf(effect));
    }
  }
}

function lineOf(effect: ExecutorEffect): string {
  switch (effect.do) {
    case 'call': {
      const { call } = effect;
      if (call.call === 'pause') return 'pause';
      if (call.call === 'look-up') return 'look up';
      const names = call.items.map(({ request }) => NAMES.get(request.operationId)).join(' ');
      return `${call.lane}: ${names}${call.exclusive ? ' alone' : ''}`;
    }
    case 'answer':
      return `${effect.message} ${answerLine(effect.answer)}`;
    case 'begin-soon':
      return `begin ${effect.lane}`;
    case 'overload':
      return effect.overloaded ? 'overloaded' : 'taking again';
    default:
      return effect.do;
  }
}

const answerLine = (answer: BatchReply): string =>
  answer.ok
    ? answer.value.outcomes.map((one) => (one.ok ? (one.value.repeated === true ? 'repeated' : 'ok') : one.failure.code)).join(' ')
    : answer.failure.code;

test('what arrives in one turn is one batch, and what arrives while it commits is the next', () => {
  const bench = new Bench();
  bench.submit(messageOf('a', 'b'));
  bench.submit(messageOf('c'));
  assert.deepEqual(bench.said(), ['begin small']);
  bench.begin();
  assert.deepEqual(bench.said(), ['small: a b c']);
  bench.submit(messageOf('d'));
  bench.submit(messageOf('e'));
  assert.deepEqual(bench.ran(committed(3)), ['committed', '1 ok ok', '2 ok', 'small: d e']);
  assert.deepEqual(bench.ran(committed(2)), ['committed', '3 ok', '4 ok']);
});

test('whose caller has given up by the time of its batch is not run', () => {
  const bench = new Bench();
  bench.submit(messageOf('a'));
  bench.submit({ ...messageOf('b'), deadline: 3000 });
  bench.at = 1000;
  bench.begin();
  assert.deepEqual(bench.said(), ['begin small', '1 expired', 'small: b']);
});

test('a repeated message waits for the first attempt, as long as either caller waits', () => {
  const bench = new Bench();
  bench.submit(messageOf('a'));
  bench.submit({ ...messageOf('a'), deadline: 5000 });
  bench.at = 2000;
  bench.begin();
  assert.deepEqual(bench.said(), ['begin small', 'small: a']);
  assert.deepEqual(bench.ran(committed(1)), ['committed', '1 ok', '2 repeated']);
  assert.equal(bench.machine.stats.joined, 1);
});

test('a batch that collides runs again alone, and a value that the database refuses is found by halves', () => {
  const bench = new Bench();
  bench.submit(messageOf('a', 'b', 'c', 'd'));
  bench.begin();
  bench.said();
  assert.deepEqual(bench.ran({ is: 'collision' }), ['small: a b c d alone']);
  assert.deepEqual(bench.ran({ is: 'value' }), ['small: a b']);
  assert.deepEqual(bench.ran(committed(2)), ['committed', 'small: c d']);
  assert.deepEqual(bench.ran({ is: 'value' }), ['small: c']);
  assert.deepEqual(bench.ran({ is: 'value' }), ['small: d']);
  assert.deepEqual(bench.ran(committed(1)), ['committed', '1 ok ok invalid ok']);
});

test('what follows a half whose outcome is unknown is not run before it', () => {
  const bench = new Bench();
  bench.submit(messageOf('a'));
  bench.submit(messageOf('b'));
  bench.begin();
  bench.said();
  assert.deepEqual(bench.ran({ is: 'value' }), ['small: a']);
  assert.deepEqual(bench.ran({ is: 'unknown', refusals: [undefined] }), ['look up']);
  assert.deepEqual(bench.answer(done({ epoch: 'e', found: [undefined] })), ['1 unavailable', '2 unavailable']);
});

test('outcomes left open by a broken connection are looked up, and requests rejected before the commit stay rejected', () => {
  const bench = new Bench();
  bench.submit(messageOf('a', 'b'));
  bench.begin();
  bench.said();
  assert.deepEqual(bench.ran({ is: 'unknown', refusals: [undefined, refusal] }), ['look up']);
  assert.deepEqual(bench.answer(failed('unavailable')), ['pause']);
  assert.deepEqual(bench.answer(done(undefined)), ['look up']);
  assert.deepEqual(bench.answer(done({ epoch: 'e', found: [success(), undefined] })), ['1 ok not-found']);
});

test('a batch that is not found is never reported as failed', () => {
  const bench = new Bench();
  bench.submit(messageOf('a'));
  bench.begin();
  bench.said();
  bench.ran({ is: 'unknown', refusals: [refusal] });
  assert.deepEqual(bench.answer(done({ epoch: 'e', found: [undefined] })), ['1 unavailable']);
});

test('large writes, and later writes of the same elements, have their own lane', () => {
  const bench = new Bench();
  bench.submit({ ...messageOf('big'), bytes: 70_000 });
  bench.submit(messageOf('a'));
  assert.deepEqual(bench.said(), ['begin large', 'begin small']);
  bench.begin('large');
  bench.begin('small');
  assert.deepEqual(bench.said(), ['large: big', 'small: a']);
  const written = { change: { id: 'big' }, attributesJson: 'x'.repeat(70_000) } as Committed;
  assert.deepEqual(bench.ran(committed(1, [written])), ['committed', '1 ok']);
  bench.submit(messageOf('big'));
  assert.deepEqual(bench.said(), ['begin large']);
});

test('too much is refused until half of it is done, and nothing is lost at the end', () => {
  const bench = new Bench();
  for (let count = 0; count < 2000; count += 1) bench.submit(messageOf(`m${count}`));
  assert.deepEqual(bench.said(), ['begin small', 'overloaded']);
  bench.submit(messageOf('a'));
  assert.deepEqual(bench.said(), ['2001 busy']);
  bench.begin();
  assert.ok(!bench.said().includes('taking again'), 'three quarters wait');
  assert.ok(bench.ran(committed(500)).includes('taking again'), 'half of it waits');
  bench.stop();
  bench.submit(messageOf('b'));
  assert.deepEqual(bench.said(), ['2002 busy']);
  let last: string[] = [];
  while (!last.includes('stopped')) last = bench.ran(committed(500));
  assert.equal(bench.machine.stats.waitingRequests, 0);
});
