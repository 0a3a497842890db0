/** A writer on every edge that never stops, and what its clients hear of the changes. */
import { until } from '@polyedge/testkit/until';
import type { ConnectedEdge } from './system.ts';

const HEARD_MS = 120_000;
const EVERY_MS = 500;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const watchersOf = ({ audiences }: ConnectedEdge) => audiences.flatMap(({ watchers }) => watchers);

export interface LoadResult {
  /** Changes that a client was promised and has not heard, and errors that no client should see. */
  readonly problems: readonly string[];
  /** A line for the clients of each kind. */
  readonly lines: readonly string[];
}

export class Load {
  readonly #edges: readonly ConnectedEdge[];
  /** Changes that were acknowledged, by edge. */
  readonly #taken: ReadonlyMap<string, Set<number>>;
  readonly #writers: Promise<unknown>;
  readonly #failures: string[] = [];
  #refused = 0;
  #going = true;

  private constructor(edges: readonly ConnectedEdge[]) {
    this.#edges = edges;
    this.#taken = new Map(edges.map(({ name }) => [name, new Set()]));
    this.#writers = Promise.all(edges.map((edge) => this.#write(edge)));
  }

  /** Begins when every client has heard something, so that its watch is active. */
  static async start(edges: readonly ConnectedEdge[]): Promise<Load> {
    for (const edge of edges) {
      let n = 0;
      await until(
        `clients of ${edge.name} hear something`,
        async () => {
          n -= 1;
          await edge.write(n).catch(() => false);
          return watchersOf(edge).every(({ ready }) => ready);
        },
        { withinMs: HEARD_MS },
      );
    }
    return new Load(edges);
  }

  /** Resolves when all clients of each edge have heard a change that is written from now on. */
  async heardByAll(): Promise<void> {
    for (const edge of this.#edges) {
      const taken = this.#taken.get(edge.name) ?? new Set();
      const before = Math.max(0, ...taken);
      const isHeard = (): boolean => [...taken].some((n) => n > before && watchersOf(edge).every(({ firstAt }) => firstAt.has(n)));
      await until(`all clients of ${edge.name} hear`, isHeard, { withinMs: HEARD_MS });
    }
  }

  /** Stops the writers. */
  [Symbol.dispose](): void {
    this.#going = false;
  }

  /** Stops the writers, and waits until what is promised is heard, within a bound. */
  async end(): Promise<LoadResult> {
    this[Symbol.dispose]();
    await this.#writers;
    const problems = [...this.#failures];
    const lines: string[] = [];
    for (const { name, audiences } of this.#edges) {
      const changes = [...(this.#taken.get(name) ?? [])];
      for (const { kind, promised, watchers } of audiences) {
        const missing = (): number => watchers.reduce((sum, { firstAt }) => sum + changes.filter((n) => !firstAt.has(n)).length, 0);
        const deadline = performance.now() + HEARD_MS;
        while (promised === 'everything' && missing() > 0 && performance.now() < deadline) await pause(50);
        lines.push(
          `${name}, ${kind}: ${changes.length} changes, ${watchers.length} clients, ${missing()} not heard (${promised} is promised)`,
        );
        if (promised === 'everything' && missing() > 0) problems.push(`${name}, ${kind}: ${missing()} changes are missing`);
        for (const { errors } of watchers) problems.push(...errors.map((error) => `${name}, ${kind}: ${error}`));
      }
    }
    lines.push(`${this.#refused} writes were not taken`);
    return { problems, lines };
  }

  async #write(edge: ConnectedEdge): Promise<void> {
    for (let n = 1; this.#going; n += 1) {
      const taken = await edge.write(n).catch((error: unknown) => {
        this.#failures.push(`${edge.name}: write ${n}: ${String(error)}`);
        return false;
      });
      if (taken) this.#taken.get(edge.name)?.add(n);
      else this.#refused += 1;
      await pause(EVERY_MS);
    }
  }
}
