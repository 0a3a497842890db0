/** Queries several processes at once and gathers their answers, until all known ones have answered or the time is up. */
import { randomBytes } from 'node:crypto';
import type { Bus } from '@polyedge/service-kit/bus';

const ANSWER_MS = 1_500;

type GatheringBus = Pick<Bus, 'publish' | 'subscribe' | 'flush'>;

/**
 * @param processes instances that are expected to answer
 * @param subscribe subscribes to the answers
 * @returns how many did not answer in time
 */
export async function gather(options: {
  readonly bus: GatheringBus;
  readonly processes: readonly string[];
  subscribe(question: string, answered: (instance: string) => void): { unsubscribe(): void };
  publish(question: string): void;
}): Promise<number> {
  const question = randomBytes(12).toString('hex');
  const waiting = new Set(options.processes);
  if (waiting.size === 0) return 0;
  const all = Promise.withResolvers<void>();
  const timer = setTimeout(all.resolve, ANSWER_MS);
  const answers = options.subscribe(question, (instance) => {
    if (waiting.delete(instance) && waiting.size === 0) all.resolve();
  });
  // No process may answer before the server knows the subscription.
  await options.bus.flush(ANSWER_MS);
  options.publish(question);
  await all.promise;
  clearTimeout(timer);
  answers.unsubscribe();
  return waiting.size;
}
