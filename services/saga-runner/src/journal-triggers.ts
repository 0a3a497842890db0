/**
 * Fires scripts from the journal: a member of the tenant's group of runners, which receives every change of its partitions in order and at
 * least once. The position moves past a batch when everything that it fired has ended, and is recorded or its record was given up; after a
 * takeover, what was recorded before is not fired again. When too many runs wait, changes are held back, so the group delivers no more than
 * its window.
 */
import { INTERNAL_GROUPS } from '@polyedge/contracts/bus/groups';
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure, Outcome } from '@polyedge/contracts/errors';
import type { MemberHandler, Membership } from '@polyedge/journal/groups/port';
import type { JournalGroups } from '@polyedge/journal/groups-over-bus';
import { markOf } from '@polyedge/saga/run-mark';
import type { Log } from '@polyedge/service-kit/log';
import type { Api } from './api/api.ts';
import type { EndedCalls } from './ended-calls.ts';
import type { Runnable } from './runnable.ts';
import type { RunnableTable } from './runnable-table.ts';
import type { Runs } from './runs.ts';
import { mayFire, type Parameter, type Trigger, triggersOf } from './triggers.ts';
import { digestId } from './writing.ts';

const PACKAGE = 'saga/NpmPackage';
const GROUP = `${INTERNAL_GROUPS}saga-runner`;
const REJOIN_MS = 500;
const RETRY_MS = 300;

export interface JournalOptions {
  readonly groups: JournalGroups;
  readonly table: RunnableTable;
  readonly ended: EndedCalls;
  readonly runs: Runs;
  readonly api: Api;
  readonly log: Log;
  /** A package is to be installed. */
  onPackage(change: FullChange): Promise<void>;
}

export class JournalTriggers implements MemberHandler {
  readonly #options: JournalOptions;
  #membership: Membership | undefined;
  #rejoin: NodeJS.Timeout | undefined;
  /** Changes of one element are processed in order. One that is held back delays only those of the same element. */
  readonly #latest = new Map<string, Promise<unknown>>();
  #heldBack = 0;
  #hasBegun = false;
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

  taken(): void {
    this.#options.ended.takenOver();
  }

  batch(changes: readonly FullChange[], ack: () => void): void {
    const membership = this.#membership;
    const handled = changes.flatMap((change) => (this.#firesNothing(change) ? [] : [this.#handle(change, membership)]));
    void Promise.all(handled).then((all) => {
      if (all.every((done) => done)) ack();
    });
  }

  /** Whether its group has existed since it joined: every change since then fires what it has to, sooner or later. */
  get hasBegun(): boolean {
    const { groups, table } = this.#options;
    const views = groups.of(table.tenant)?.views() ?? [];
    this.#hasBegun ||= views.some(({ tenant, name, id }) => tenant === table.tenant && name === GROUP && id !== undefined);
    return this.#hasBegun;
  }

  /** Number of changes held back until some waiting runs have started. */
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

  /** Known without waiting: most changes fire nothing, among them the runner's own records. */
  #firesNothing(change: FullChange): boolean {
    const { table } = this.#options;
    if (change.type === PACKAGE) return false;
    if (!mayFire(change)) return true;
    return table.contains(change.seq) && this.#triggersOf(change).length === 0;
  }

  #triggersOf(change: FullChange): readonly Trigger[] {
    return triggersOf(change, (path) => this.#options.table.scriptsAt(path).length > 0);
  }

  /** Resolves when everything that a change fired has ended: to false if it is left to the next owner. */
  async #handle(change: FullChange, membership: Membership | undefined): Promise<boolean> {
    const fired: Promise<boolean>[] = [];
    if (change.type === PACKAGE) fired.push(this.#options.onPackage(change).then(() => true));
    const before = this.#latest.get(change.id) ?? Promise.resolve();
    const begun = before.then(() => this.#fire(change, membership, fired));
    this.#latest.set(change.id, begun);
    const isBegun = await begun;
    if (this.#latest.get(change.id) === begun) this.#latest.delete(change.id);
    if (!isBegun) return false;
    return (await Promise.all(fired)).every((isOver) => isOver);
  }

  async #fire(change: FullChange, membership: Membership | undefined, fired: Promise<boolean>[]): Promise<boolean> {
    const { table, runs, ended } = this.#options;
    // Unacknowledged changes go to the next owner, and must not start here any more.
    const isOurs = (): boolean => !this.#left && membership === this.#membership;
    if (!isOurs()) return false;
    await answered(() => table.upTo(change.seq), isOurs);
    const inlineParent = markOf(change.origin)?.inlineParent === true;
    for (const found of this.#triggersOf(change)) {
      const trigger = inlineParent ? await this.#withParents(found, isOurs) : found;
      for (const runnable of table.scriptsAt(trigger.path)) {
        const wanted = wantedBy(change, trigger, runnable);
        const hasEnded = await answered(() => ended.has(change.seq, wanted.call), isOurs);
        if (hasEnded.ok && hasEnded.value) continue;
        this.#heldBack += 1;
        for (let room = runs.roomFor(runnable); room !== undefined && isOurs(); room = runs.roomFor(runnable)) await room;
        this.#heldBack -= 1;
        if (!isOurs()) return false;
        fired.push(runs.start(wanted).then(({ outcome }) => outcome.is !== 'left'));
      }
    }
    return true;
  }

  /** Adds the current state of the parents, instead of that at the start of the run. */
  async #withParents(trigger: Trigger, isOurs: () => boolean): Promise<Trigger> {
    const { table, api } = this.#options;
    const parameters: Parameter[] = [];
    for (const parameter of trigger.parameters) {
      if ('value' in parameter) {
        parameters.push(parameter);
        continue;
      }
      const parent = await answered(() => api.parent(table.tenant, parameter.kind, parameter.id), isOurs);
      parameters.push(parent.ok ? { name: parameter.name, value: parent.value } : parameter);
    }
    return { ...trigger, parameters };
  }
}

/** Asks until there is an answer, or the change is no longer ours. */
async function answered<Value>(ask: () => Promise<Outcome<Value>>, isOurs: () => boolean): Promise<Outcome<Value>> {
  for (;;) {
    const answer = await ask();
    if (answer.ok || !isOurs()) return answer;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function wantedBy(change: FullChange, trigger: Trigger, runnable: Runnable) {
  const mark = markOf(change.origin);
  const occasion = [change.epoch, String(change.seq), trigger.path, trigger.which];
  return {
    runnable,
    // Whatever version runs it is the same call, and is not repeated once it has ended; another version writes something else.
    call: digestId(...occasion, runnable.id),
    seed: digestId(...occasion, runnable.id, String(runnable.version)),
    at: change.on,
    parameters: trigger.parameters,
    context: trigger.context,
    orderKey: trigger.parent,
    property: trigger.property,
    depth: (mark?.depth ?? 0) + 1,
    chain: mark?.chain ?? digestId(...occasion),
    parentCall: mark?.call,
    testData: trigger.testData,
    http: false,
  };
}
