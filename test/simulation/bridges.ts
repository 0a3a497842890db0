/**
 * JSSocket's bridge on a simulated edge: the real one, over the feed of the edge, for a tenant. What it notifies of has to be the journal of that tenant in
 * its order, each change once and none left out, from where each of its watches began. With two tenants in two journals, each one's order is looked at.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Feed } from '@polyedge/edge-kit/feed/watch';
import type { Wheel } from '@polyedge/edge-kit/wheel';
import { silentLog } from '@polyedge/service-kit/log';
import { startBridge } from '../../services/jssocket-edge/src/bridge.ts';
import { parseBridge } from '../../services/jssocket-edge/src/bridge-rules.ts';
import { TOKEN } from './judge.ts';
import { TYPES } from './settings.ts';
import type { Surroundings } from './surroundings.ts';

const BRIDGED = [...TYPES.slice(0, 1), 'products'];

interface Notified {
  readonly type: string;
  readonly id: string;
  readonly action: string;
}

/** Where a watch of one type is. */
interface Followed {
  /** The seq of the last notification; undefined: whatever comes is the first. */
  last: number | undefined;
  failovers: number;
  moves: number;
}

export class Bridge {
  readonly #world: Surroundings;
  readonly #edge: { knows(world: Surroundings): boolean };
  readonly #name: string;
  readonly #followed = new Map<string, Followed>();

  /** @param world of the tenant */
  constructor(
    world: Surroundings,
    edge: { readonly process: { readonly name: string }; knows(world: Surroundings): boolean },
    feed: Feed,
    wheel: Wheel,
  ) {
    this.#world = world;
    this.#edge = edge;
    this.#name = `the bridge of ${world.tenant} in ${edge.process.name}`;
    startBridge({
      ...{ rules, feed, wheel, tenant: world.tenant },
      log: { ...silentLog, warn: (_sentence, fields) => void this.#followed.delete(String(fields?.type)) },
      notify: (token, payload) => this.#notified(token, JSON.parse(payload)),
    });
  }

  /** What it has not notified of yet; undefined when that is nothing, or when it has just begun. */
  missing(): string | undefined {
    for (const [type, { last, failovers, moves }] of this.#followed) {
      if (last === undefined || failovers !== this.#world.failovers || moves !== this.#world.moves) continue;
      const next = this.#nextAfter(last, type);
      if (next !== undefined) return `${this.#name} has not notified of ${next.seq}`;
    }
    return undefined;
  }

  #notified(token: string, told: Notified): void {
    const { judge, failovers, moves } = this.#world;
    judge.counts.bridged += 1;
    const at = this.#followed.get(told.type) ?? { last: undefined, failovers, moves };
    // Where a history or a journal has ended, its last changes may still be on their way.
    const isSame = at.failovers === failovers && at.moves === moves && !judge.isUndecided && this.#edge.knows(this.#world);
    const wanted = isSame && at.last !== undefined ? this.#nextAfter(at.last, told.type) : undefined;
    if (isSame && at.last !== undefined && (wanted === undefined || !isOf(wanted, token, told)))
      judge.wrong(`${this.#name} notifies of ${token}, ${told.action} of ${told.id}, after ${at.last}, where ${wanted?.seq} is next`);
    const seq = wanted?.seq ?? this.#world.database.journal.findLast((change) => isOf(change, token, told))?.seq;
    if (isSame && seq === undefined) judge.wrong(`${this.#name} notifies of ${token}, which never was`);
    this.#followed.set(told.type, { last: isSame ? seq : undefined, failovers, moves });
  }

  #nextAfter(seq: number, type: string): FullChange | undefined {
    const { database, tenant } = this.#world;
    const { journal } = database;
    for (let at = seq; at < journal.length; at += 1) {
      const change = journal[at];
      if (change?.tenant === tenant && change.type === type && TOKEN in change.state.attributes) return change;
    }
    return undefined;
  }
}

const parsed = parseBridge(JSON.stringify({ rules: BRIDGED.map((type) => ({ type, group: TOKEN })) }));
const rules = parsed.ok ? parsed.rules : [];

const isOf = ({ id, action, state }: FullChange, token: string, told: Notified): boolean =>
  state.attributes[TOKEN] === token && id === told.id && action === told.action;
