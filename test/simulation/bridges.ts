/**
 * The real bridge of JSSocket on a simulated edge, over the edge's feed, for one tenant. From where each of its watches began, its notifications must be
 * the tenant's journal: in order, each change once, and none left out. With two tenants in two journals, the order of each is checked.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Interest } from '@polyedge/contracts/interest';
import type { Feed, WatchHandler } from '@polyedge/edge-kit/feed/watch';
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

/** The progress of a watch on one type. A watch belongs to one history of one journal, and ends with it. */
interface Followed {
  /** The seq of the last notification; before the first one, the position at which the watch began. */
  last: number;
  /** When the watch began, the edge knew the tenant's current journal and history. */
  readonly isRight: boolean;
  readonly failovers: number;
  readonly moves: number;
}

export class Bridge {
  readonly #world: Surroundings;
  readonly #edge: { knows(world: Surroundings): boolean };
  readonly #name: string;
  /** By type. */
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
      ...{ rules, wheel, tenant: world.tenant },
      feed: {
        watch: (interest, handler) => feed.watch(interest, this.#followedBy(interest, handler)),
        whenDelivered: (...wait) => feed.whenDelivered(...wait),
      },
      log: silentLog,
      notify: (token, payload) => this.#notified(token, JSON.parse(payload)),
    });
  }

  /** The first notification that is still due; undefined if none is. */
  missing(): string | undefined {
    for (const [type, at] of this.#followed) {
      const next = this.#isJudged(at) ? this.#nextAfter(at.last, type) : undefined;
      if (next !== undefined) return `${this.#name} has not notified of ${next.seq}`;
    }
    return undefined;
  }

  /** Wraps the handler of a watch and records the watch's progress. */
  #followedBy(interest: Interest, handler: WatchHandler): WatchHandler {
    const type = 'type' in interest ? interest.type : '';
    return {
      change: (change) => handler.change(change),
      waits: (seq) => handler.waits?.(seq),
      live: (seq, epoch) => {
        const { judge, database, failovers, moves } = this.#world;
        const isRight = !judge.isUndecided && epoch === database.epoch && this.#edge.knows(this.#world);
        this.#followed.set(type, { last: seq, isRight, failovers, moves });
        handler.live(seq, epoch);
      },
      lost: (failure) => {
        this.#followed.delete(type);
        handler.lost(failure);
      },
    };
  }

  #isJudged({ isRight, failovers, moves }: Followed): boolean {
    return isRight && failovers === this.#world.failovers && moves === this.#world.moves;
  }

  #notified(token: string, told: Notified): void {
    const { judge } = this.#world;
    judge.counts.bridged += 1;
    const at = this.#followed.get(told.type);
    if (at === undefined || !this.#isJudged(at)) return;
    const wanted = this.#nextAfter(at.last, told.type);
    if (wanted === undefined || !isOf(wanted, token, told))
      judge.wrong(`${this.#name} notifies of ${token}, ${told.action} of ${told.id}, after ${at.last}, where ${wanted?.seq} is next`);
    at.last = wanted?.seq ?? at.last;
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
