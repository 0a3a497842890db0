/**
 * JSSocket's bridge on a simulated edge: the real one, over the feed of the edge, for a tenant. What it notifies of has to be the journal of that tenant in
 * its order, each change once and none left out, from where each of its watches began. With two tenants in two journals, each one's order is looked at.
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

/** Where a watch of one type is: it began in one history of one journal, and ends with it. */
interface Followed {
  /** The seq of the last notification; at first where the watch began. */
  last: number;
  /** The edge knew then in which history and where the tenant is. */
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

  /** What it has not notified of yet; undefined when that is nothing. */
  missing(): string | undefined {
    for (const [type, at] of this.#followed) {
      const next = this.#isJudged(at) ? this.#nextAfter(at.last, type) : undefined;
      if (next !== undefined) return `${this.#name} has not notified of ${next.seq}`;
    }
    return undefined;
  }

  /** The handler of a watch, which tells where the watch is as well. */
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
