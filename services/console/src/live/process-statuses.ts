/**
 * State of the running processes: the newest status of each, and ten minutes of totals, one sample a second. Pure: values in, values out.
 * Bounded: processes beyond the limit are ignored, older samples are dropped.
 */
import type { ServiceStatus } from '@polyedge/contracts/bus/console';
import { MAIN } from '@polyedge/contracts/journal';

const MAX_PROCESSES = 500;
/** A process without a status for this long is shown as silent, and removed later. */
const SILENT_MS = 5_000;
const FORGOTTEN_MS = 60_000;
const SAMPLES = 600;

/** Totals of one second. Rates are per second. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly changes: number;
  readonly deliveries: number;
  readonly frames: number;
  readonly bytesIn: number;
  readonly bufferedBytes: number;
  /** The largest of all processes. */
  readonly loopDelayMs: number;
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly lagMs: number;
  readonly head: number;
  /** Open sockets by edge. */
  readonly connections: Readonly<Record<string, number>>;
}

/** A process, as the page shows it. */
export interface ProcessView extends Omit<ServiceStatus, 'figures' | 'beat'> {
  readonly silent: boolean;
  readonly connections: number;
  readonly bufferedBytes: number;
  readonly framesPerS: number;
  readonly deliveriesPerS: number;
  /** For graph-store: whether this replica publishes. */
  readonly publisher: boolean | undefined;
  readonly lagMs: number | undefined;
}

/** A journal, as its replicas report it. */
export interface JournalView {
  readonly name: string;
  /** Whether a replica publishes its changes, and how old the newest was then. */
  readonly publishes: boolean;
  readonly lagMs: number;
  /** Number of tenants being moved to it and from it. */
  readonly arriving: number;
  readonly leaving: number;
  /** Copied fraction of the slowest move to it, from 0 to 1. */
  readonly copiedPart: number;
}

interface KnownProcess {
  readonly status: ServiceStatus;
  readonly receivedAt: number;
  readonly rates: Rates;
}

interface Rates {
  readonly changes: number;
  readonly frames: number;
  readonly deliveries: number;
  readonly bytesIn: number;
}

const STILL: Rates = { changes: 0, frames: 0, deliveries: 0, bytesIn: 0 };

export class ProcessStatuses {
  readonly #known = new Map<string, KnownProcess>();
  readonly #samples: Sample[] = [];
  readonly #journal: () => string;

  /** @param journal the journal of the tenant whose changes are counted */
  constructor(journal: () => string) {
    this.#journal = journal;
  }

  take(status: ServiceStatus, at: number): void {
    const before = this.#known.get(status.instance);
    if (before === undefined && this.#known.size >= MAX_PROCESSES) return;
    const rates = before === undefined ? STILL : ratesOf(before.status, status, this.#journal());
    this.#known.set(status.instance, { status, receivedAt: at, rates });
  }

  /**
   * Once a second: removes silent processes, and adds and returns a sample.
   * @param at monotonic
   * @param now milliseconds since 1970
   */
  tick(at: number, now: number): Sample {
    for (const [instance, { receivedAt }] of this.#known) if (at - receivedAt > FORGOTTEN_MS) this.#known.delete(instance);
    const alive = [...this.#known.values()].filter(({ receivedAt }) => at - receivedAt <= SILENT_MS);
    const connections: Record<string, number> = {};
    for (const { status } of alive) {
      for (const [name, value] of Object.entries(status.figures)) {
        const edge = /^edge_connections\{edge="([a-z-]+)"/.exec(name)?.[1];
        if (edge !== undefined) connections[edge] = (connections[edge] ?? 0) + value;
      }
    }
    const sum = (of: (known: KnownProcess) => number) => alive.reduce((total, known) => total + of(known), 0);
    const head = `publisher_head{journal="${this.#journal()}"}`;
    const sample: Sample = {
      at: now,
      changes: sum(({ rates }) => rates.changes),
      deliveries: sum(({ rates }) => rates.deliveries),
      frames: sum(({ rates }) => rates.frames),
      bytesIn: sum(({ rates }) => rates.bytesIn),
      bufferedBytes: sum(({ status }) => total(status, 'edge_buffered_bytes')),
      loopDelayMs: alive.reduce((worst, { status }) => Math.max(worst, status.loopDelayMs), 0),
      cpu: sum(({ status }) => status.cpu),
      memoryBytes: sum(({ status }) => status.memoryBytes),
      lagMs: sum(({ status }) => (total(status, 'publisher_active') > 0 ? total(status, 'publisher_lag_ms') : 0)),
      head: alive.reduce((newest, { status }) => Math.max(newest, status.figures[head] ?? 0), 0),
      connections,
    };
    this.#samples.push(sample);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    return sample;
  }

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** What the page shows beside the samples. */
  view(at: number): { readonly processes: readonly ProcessView[]; readonly journals: readonly JournalView[] } {
    return { processes: this.processes(at), journals: this.journals(at) };
  }

  /** Services by name, their processes by age. */
  processes(at: number): readonly ProcessView[] {
    const views = [...this.#known.values()].map(({ status: { figures, beat: _, ...status }, receivedAt, rates }): ProcessView => {
      const isStore = status.service === 'graph-store';
      const publishes = isStore ? total({ figures }, 'publisher_active') > 0 : undefined;
      return {
        ...status,
        silent: at - receivedAt > SILENT_MS,
        connections: total({ figures }, 'edge_connections'),
        bufferedBytes: total({ figures }, 'edge_buffered_bytes'),
        framesPerS: rates.frames,
        deliveriesPerS: rates.deliveries,
        publisher: publishes,
        lagMs: publishes === true ? total({ figures }, 'publisher_lag_ms') : undefined,
      };
    });
    return views.sort((one, other) => one.service.localeCompare(other.service) || other.uptimeMs - one.uptimeMs);
  }

  /** The journals that replicas report, `main` first. */
  journals(at: number): readonly JournalView[] {
    const stores = [...this.#known.values()].filter(
      ({ status, receivedAt }) => status.service === 'graph-store' && at - receivedAt <= SILENT_MS,
    );
    const names = new Set(
      stores.flatMap(({ status }) => Object.keys(status.figures).flatMap((key) => /\{journal="([a-z][a-z0-9-]*)"\}$/.exec(key)?.[1] ?? [])),
    );
    const most = (name: string, figure: string): number =>
      Math.max(0, ...stores.map(({ status }) => status.figures[`${figure}{journal="${name}"}`] ?? 0));
    return [...names]
      .sort((one, other) => Number(other === MAIN) - Number(one === MAIN) || one.localeCompare(other))
      .map((name) => ({
        name,
        publishes: most(name, 'publisher_active') > 0,
        lagMs: most(name, 'publisher_lag_ms'),
        arriving: most(name, 'tenants_arriving'),
        leaving: most(name, 'tenants_leaving'),
        copiedPart: most(name, 'tenants_arriving_part'),
      }));
  }

  /** The running processes of these services; of all edges by default. */
  running(at: number, services?: readonly string[]): readonly string[] {
    const isMeant = (service: string) => services?.includes(service) ?? service.endsWith('-edge');
    return [...this.#known.values()]
      .filter(({ status, receivedAt }) => isMeant(status.service) && at - receivedAt <= SILENT_MS)
      .map(({ status }) => status.instance);
  }
}

/** A metric, summed over all its labels. */
function total({ figures }: Pick<ServiceStatus, 'figures'>, name: string): number {
  let sum = 0;
  for (const [key, value] of Object.entries(figures)) if (key === name || key.startsWith(`${name}{`)) sum += value;
  return sum;
}

function ratesOf(before: ServiceStatus, now: ServiceStatus, journal: string): Rates {
  const beats = Math.max(1, now.beat - before.beat);
  const perSecond = (...names: readonly string[]) => {
    const grown = names.reduce((sum, name) => sum + total(now, name) - total(before, name), 0);
    return Math.max(0, Math.round(grown / beats));
  };
  return {
    changes: perSecond(`publisher_changes{journal="${journal}"}`),
    frames: perSecond('edge_frames_in'),
    deliveries: perSecond('edge_lane_frames', 'edge_group_frames'),
    bytesIn: perSecond('edge_bytes_in'),
  };
}
