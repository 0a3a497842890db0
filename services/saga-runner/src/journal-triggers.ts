/**
 * Fires scripts from the journal: a member of the tenant's group of runners, which gets every change of its partitions in order and at least once.
 * The position moves over a batch when all that it fired has ended and is recorded.
 */
import { INTERNAL_GROUPS } from '@polyedge/contracts/bus/groups';
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import type { Groups } from '@polyedge/journal/groups/groups';
import type { MemberHandler, Membership } from '@polyedge/journal/groups/port';
import { markOf } from '@polyedge/saga/run-mark';
import type { Log } from '@polyedge/service-kit/log';
import { type Firing, firingsOf } from './firing.ts';
import type { Runnable } from './runnable.ts';
import type { RunnableTable } from './runnable-table.ts';
import type { Runs } from './runs.ts';
import { digestId } from './writing.ts';

const GROUP = `${INTERNAL_GROUPS}saga-runner`;
const REJOIN_MS = 500;
const RETRY_MS = 300;

export interface JournalOptions {
  readonly groups: Groups;
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
  /** What was given is looked at in the order in which it came. */
  #looking: Promise<void> = Promise.resolve();
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
    this.#looking = this.#looking.then(async () => {
      const fired: Promise<unknown>[] = [];
      for (const change of changes) {
        // What was not taken goes to the next owner, and is not to be begun here any more.
        if (this.#left || membership !== this.#membership) return;
        await this.#look(change, fired);
      }
      void Promise.all(fired).then(took);
    });
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

  async #look(change: FullChange, fired: Promise<unknown>[]): Promise<void> {
    const { table, runs, onPackage } = this.#options;
    if (change.type === 'saga/NpmPackage') fired.push(onPackage(change));
    const firings = firingsOf(change);
    if (firings.length === 0) return;
    for (let known = await table.upTo(change.seq); !known.ok && !this.#left; known = await table.upTo(change.seq)) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    for (const firing of firings) {
      for (const runnable of table.scriptsAt(firing.path)) fired.push(runs.start(wantedBy(change, firing, runnable)));
    }
  }
}

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
