/**
 * Fires scripts from the journal: a member of the tenant's group of runners, which gets every change of its partitions in order and at least once.
 * The position moves over a batch when all that it fired has ended and is recorded. While as many runs wait as may, changes are held back, and
 * with them the group gives no more than its window.
 */
import { createHash } from 'node:crypto';
import { INTERNAL_GROUPS } from '@polyedge/contracts/bus/groups';
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import type { MemberHandler, Membership } from '@polyedge/journal/groups/port';
import type { JournalGroups } from '@polyedge/journal/groups-over-bus';
import { markOf } from '@polyedge/saga/run-mark';
import type { Log } from '@polyedge/service-kit/log';
import { type Firing, firingsOf } from './firing.ts';
import type { Runnable } from './runnable.ts';
import type { RunnableTable } from './runnable-table.ts';
import type { Runs } from './runs.ts';
import { digestId } from './writing.ts';

const PACKAGE = 'saga/NpmPackage';
const LANES = 64;
const GROUP = `${INTERNAL_GROUPS}saga-runner`;
const REJOIN_MS = 500;
const RETRY_MS = 300;

export interface JournalOptions {
  readonly groups: JournalGroups;
  readonly table: RunnableTable;
  readonly runs: Runs;
  readonly log: Log;
  /** A package is to be installed. */
  onPackage(change: FullChange): Promise<void>;
}

export class JournalTriggers implements MemberHandler {
  readonly #options: JournalOptions;
  #membership: Membership | undefined;
  #rejoin: NodeJS.Timeout | undefined;
  /** What was given is looked at in the order in which it came; what waits for room holds back its own lane only. */
  readonly #lanes: Promise<unknown>[] = [];
  #heldBack = 0;
  #left = false;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#join();
  }

  leave(): void {
    this.#left = true;
    clearTimeout(this.#rejoin);
    this.#membership?.leave();
  }

  batch(changes: readonly FullChange[], took: () => void): void {
    const membership = this.#membership;
    const handled = changes.flatMap((change) => {
      const firings = firingsOf(change);
      return firings.length === 0 && change.type !== PACKAGE ? [] : [this.#handle(change, firings, membership)];
    });
    void Promise.all(handled).then((all) => {
      if (all.every((done) => done)) took();
    });
  }

  /** Changes that are held back until some of the runs that wait have begun. */
  get heldBack(): number {
    return this.#heldBack;
  }

  lost(failure: Failure): void {
    this.#membership = undefined;
    if (this.#left) return;
    this.#options.log.warn('left the group of runners', { tenant: this.#options.table.tenant, code: failure.code });
    this.#rejoin = setTimeout(() => this.#join(), REJOIN_MS);
  }

  #join(): void {
    const { groups, table } = this.#options;
    this.#membership = groups.join({ tenant: table.tenant, name: GROUP, start: 'largest' }, this);
  }

  /** Resolves when all has ended that a change fired: to false when it is for the next owner to do. */
  async #handle(change: FullChange, firings: readonly Firing[], membership: Membership | undefined): Promise<boolean> {
    const fired: Promise<unknown>[] = [];
    if (change.type === PACKAGE) fired.push(this.#options.onPackage(change));
    const lane = laneOf(change.id);
    const begun = (this.#lanes[lane] ?? Promise.resolve()).then(() => this.#fire(change, firings, membership, fired));
    this.#lanes[lane] = begun;
    if (!(await begun)) return false;
    await Promise.all(fired);
    return true;
  }

  async #fire(
    change: FullChange,
    firings: readonly Firing[],
    membership: Membership | undefined,
    fired: Promise<unknown>[],
  ): Promise<boolean> {
    const { table, runs } = this.#options;
    // What was not taken goes to the next owner, and is not to be begun here any more.
    const isOurs = (): boolean => !this.#left && membership === this.#membership;
    if (!isOurs()) return false;
    for (let known = await table.upTo(change.seq); !known.ok && isOurs(); known = await table.upTo(change.seq)) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    for (const firing of firings) {
      for (const runnable of table.scriptsAt(firing.path)) {
        this.#heldBack += 1;
        for (let room = runs.roomFor(runnable); room !== undefined && isOurs(); room = runs.roomFor(runnable)) await room;
        this.#heldBack -= 1;
        if (!isOurs()) return false;
        fired.push(runs.start(wantedBy(change, firing, runnable)));
      }
    }
    return true;
  }
}

/** Changes of one element take the same lane. */
const laneOf = (id: string): number => (createHash('md5').update(id).digest()[0] ?? 0) % LANES;

function wantedBy(change: FullChange, firing: Firing, runnable: Runnable) {
  const mark = markOf(change.origin);
  const occasion = [change.epoch, String(change.seq), firing.path, firing.which];
  const call = digestId(...occasion, runnable.id, String(runnable.version));
  return {
    runnable,
    call,
    seed: call,
    at: change.on,
    parameters: firing.parameters,
    context: firing.context,
    orderKey: firing.parent,
    property: firing.property,
    depth: (mark?.depth ?? 0) + 1,
    chain: mark?.chain ?? digestId(...occasion),
    parentCall: mark?.call,
    testData: firing.testData,
    http: false,
  };
}
