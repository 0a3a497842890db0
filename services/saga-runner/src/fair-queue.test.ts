import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairQueue } from './fair-queue.ts';

interface Job {
  readonly tenant: string;
  readonly runnable: string;
  readonly orderKey: string | undefined;
  readonly n: number;
}

const job = (tenant: string, runnable: string, n: number, orderKey?: string): Job => ({ tenant, runnable, n, orderKey });
const all = (): boolean => true;

function drain(queue: FairQueue<Job>): string[] {
  const order: string[] = [];
  for (let run = queue.next(all); run !== undefined; run = queue.next(all)) {
    order.push(`${run.tenant}${run.runnable}${run.n}`);
    queue.ended(run);
    queue.settled(run);
  }
  return order;
}

test('tenants take turns, and within a tenant its runnables', () => {
  const queue = new FairQueue<Job>({ perTenant: 100, perRunnable: 100 });
  for (let n = 0; n < 3; n += 1) queue.add(job('a', 'x', n));
  for (let n = 0; n < 2; n += 1) queue.add(job('a', 'y', n));
  queue.add(job('b', 'z', 0));
  assert.deepEqual(drain(queue), ['ax0', 'bz0', 'ay0', 'ax1', 'ay1', 'ax2']);
  assert.equal(queue.waiting, 0);
});

test('runs of one key follow each other; those of other keys do not wait', () => {
  const queue = new FairQueue<Job>({ perTenant: 100, perRunnable: 100 });
  for (const [n, key] of ['k', 'k', 'l'].entries()) queue.add(job('a', 'x', n, key));
  const first = queue.next(all);
  const second = queue.next(all);
  assert.deepEqual([first?.n, second?.n, queue.next(all)], [0, 2, undefined]);
  assert.ok(first);
  queue.ended(first);
  assert.equal(queue.next(all), undefined, 'what it has sent may be under way');
  queue.settled(first);
  assert.equal(queue.next(all)?.n, 1);
});

test('a run keeps its key until it has settled, also if no other one waits for it when it ends', () => {
  const queue = new FairQueue<Job>({ perTenant: 1, perRunnable: 1 });
  queue.add(job('a', 'x', 0, 'k'));
  const first = queue.next(all);
  assert.ok(first);
  queue.ended(first);
  queue.add(job('a', 'x', 1, 'k'));
  queue.add(job('a', 'x', 2, 'l'));
  assert.equal(queue.next(all)?.n, 2);
  queue.settled(first);
  assert.equal(queue.next(all), undefined, 'one at once');
  assert.equal(queue.waitingOf('a'), 1);
});

test('a tenant and a runnable have at most so many runs at once', () => {
  const queue = new FairQueue<Job>({ perTenant: 3, perRunnable: 2 });
  for (let n = 0; n < 9; n += 1) queue.add(job('a', n % 2 === 0 ? 'x' : 'y', n));
  const running = [queue.next(all), queue.next(all), queue.next(all)];
  assert.deepEqual(
    running.map((run) => run?.n),
    [0, 1, 2],
  );
  assert.equal(queue.next(all), undefined);
  assert.equal(queue.waitingOf('a'), 6);
});

test('what could not begin comes first again', () => {
  const queue = new FairQueue<Job>({ perTenant: 3, perRunnable: 2 });
  queue.add(job('a', 'x', 0, 'k'));
  queue.add(job('a', 'x', 1, 'k'));
  const first = queue.next(all);
  assert.ok(first);
  queue.again(first);
  assert.deepEqual(drain(queue), ['ax0', 'ax1']);
});
