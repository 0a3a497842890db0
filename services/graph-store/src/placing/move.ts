/**
 * Moves a tenant with its data to another journal (docs/adr/0032): copies while the source serves it, verifies, and finally fences it for
 * seconds, in which the rest is copied and the move decided. It can be interrupted at any point, and the same call resumes it.
 */
import { randomUUID } from 'node:crypto';
import { MAIN } from '@polyedge/contracts/journal';
import type { JournalRedis } from '@polyedge/journal/journal-redis';
import { copyAccounts } from '../accounts/account-copies.ts';
import type { Journals, Transactions } from '../postgres/transactions.ts';
import { type Arrival, beginArrival, keepFrom, type Progress, progressed } from './arrival.ts';
import { ChangeCopy } from './copy-changes.ts';
import { copyContents } from './copy-contents.ts';
import { SeriesCopy } from './copy-series.ts';
import { carryOut, decide, fence, liftFence } from './decide.ts';
import { groupCopies, removeGroupCopies } from './group-copies.ts';
import { CannotPlace, type Move, mustBeMovable, RestartMove } from './parties.ts';
import { journalOf } from './placement.ts';
import { deleteTranslatedSeqs, removeTenant } from './remove.ts';
import { verify } from './verify.ts';

/** The fence is set once a chunk leaves at most this many changes. */
const FEW = 400;
/** Writes may be refused for five seconds in all; half a second is reserved for ending the fence, and one for carrying out the decision. */
const FENCE_MS = 3000;
/** Maximum attempts of the last step, and the time for writers between two. */
const ATTEMPTS = 20;
const BETWEEN_MS = 5000;
/** Chunks after which the source may delete what was copied. */
const KEEP_EVERY = 20;

/** Connections to the databases as their owners. */
export interface MovingJournals {
  /** An additional connection to that of `main`: a transaction of the directory runs inside one of a journal. */
  readonly directory: Transactions;
  readonly journals: Journals;
  /** The Redis of each journal. Without it, groups continue from their positions in PostgreSQL. */
  readonly redis?: Pick<JournalRedis, 'of'>;
}

export interface MoveReport {
  /** Called with messages for the operator. */
  readonly log: (sentence: string) => void;
  /** Called with progress messages. */
  readonly progress: (sentence: string) => void;
}

export interface Moved {
  readonly is: 'moved' | 'was there';
  /** How long writes were refused by the step that decided. */
  readonly fencedMs?: number;
}

/** Throws `CannotPlace` with the reason if the tenant cannot be moved; after any other failure the move can be resumed. */
export async function moveTenant(
  moving: MovingJournals,
  tenant: string,
  target: string,
  report: MoveReport,
  fenceMs = FENCE_MS,
): Promise<Moved> {
  const { directory, journals, redis } = moving;
  mustBeMovable(tenant);
  const to = of(journals, target);
  await carryOutDecided(journals, directory, tenant);
  const source = await directory.run((sql) => journalOf(sql, tenant));
  if (source === target) {
    await undoOthers(moving, tenant, target, report);
    return { is: 'was there' };
  }
  await removeRest(moving, tenant, target, report);
  const from = of(journals, source);
  const move: Move = { tenant, source, target, from, to, directory, redis: redis?.of(source), run: randomUUID(), fenceMs };
  const fencedMs = await copyAndDecide(move, report);
  await undoOthers(moving, tenant, target, report);
  return { is: 'moved', fencedMs };
}

function of(journals: Journals, name: string): Transactions {
  const found = journals.get(name);
  if (found === undefined) throw new CannotPlace(`there is no journal ${name}; there are ${[...journals.keys()].join(', ')}`);
  return found;
}

/** Carries out a move that was decided before its run ended. */
async function carryOutDecided(journals: Journals, directory: Transactions, tenant: string): Promise<void> {
  for (const [target, to] of journals) {
    const [arrival] = await to.run(
      (sql) => sql<{ source: string; mover: string }[]>`select source, mover from arrival where tenant = ${tenant}`,
    );
    const from = journals.get(arrival?.source ?? '');
    if (arrival !== undefined && from !== undefined)
      await carryOut({ tenant, source: arrival.source, target, run: arrival.mover, from, to, directory });
  }
}

/** Deletes a tenant's data in other journals: leftovers of earlier moves, and of moves that were not decided. */
async function undoOthers(moving: MovingJournals, tenant: string, where: string, report: MoveReport): Promise<void> {
  const { journals } = moving;
  const home = of(journals, where);
  await home.run((sql) => sql`delete from departure where tenant = ${tenant} and decided_by is null`);
  // From now on no run can decide. If one has just decided, the decision is carried out by the next call.
  const decided = await home.run((sql) => sql`select from departure where tenant = ${tenant}`);
  if (decided.length > 0) throw new RestartMove(`a move of ${tenant} was decided meanwhile`);
  await home.run((sql) => sql`delete from away where tenant = ${tenant}`);
  await deleteTranslatedSeqs(home, tenant);
  for (const [name, journal] of journals) {
    if (name === where) continue;
    await journal.transact(async (sql) => {
      const undone = await sql`delete from arrival where tenant = ${tenant}`;
      if (undone.count > 0)
        await sql`
          insert into departure (tenant, journal, copied, decided_by) values (${tenant}, ${where}, 0, 'undone')
          on conflict (tenant) do update set decided_by = excluded.decided_by`;
    });
    await removeRest(moving, tenant, name, report);
  }
}

async function removeRest({ journals, redis }: MovingJournals, tenant: string, name: string, report: MoveReport): Promise<void> {
  const journal = of(journals, name);
  const left = await journal.run((sql) => sql`select from departure where tenant = ${tenant} and decided_by is not null`);
  if (left.length === 0) return;
  report.log(`deletes the rest of ${tenant} in ${name}`);
  await removeGroupCopies({ tenant, source: name, from: journal, redis: redis?.of(name) });
  await removeTenant(journal, tenant, name !== MAIN);
}

/** @returns how long writes were refused */
async function copyAndDecide(move: Move, report: MoveReport): Promise<number> {
  const { tenant, source, target, to } = move;
  let arrival = await beginArrival(move);
  const changes = new ChangeCopy(move);
  const series = new SeriesCopy(move);
  arrival = { ...arrival, progress: await copyBase(move, changes, arrival) };
  arrival = { ...arrival, progress: await series.copyTo(await series.bound(), arrival) };
  arrival = { ...arrival, progress: await copyContents(move, arrival.progress) };
  arrival = { ...arrival, copied: await catchUp(move, changes, arrival.copied, report) };
  arrival = await verified(move, changes, series, arrival, report);
  for (let attempt = 1; ; attempt += 1) {
    if (target !== MAIN)
      await copyAccounts(
        (text, values) => move.directory.run((sql) => sql.unsafe(text, values)),
        (text, values) => to.run((sql) => sql.unsafe(text, values)),
        tenant,
        0,
      );
    arrival = { ...arrival, copied: await catchUp(move, changes, arrival.copied, report) };
    const began = performance.now();
    const decided = await decideNow(move, changes, series, arrival, report);
    if (decided !== undefined) {
      await carryOutOwn(move);
      const fencedMs = Math.round(performance.now() - began);
      report.log(`${tenant} is in ${target}: its writes were refused for ${fencedMs} ms`);
      return fencedMs;
    }
    if (attempt === ATTEMPTS)
      throw new CannotPlace(
        `${tenant} is written faster in ${source} than the rest of it can be copied to ${target}; try again when it is quieter`,
      );
    report.log(`the last step took too long; ${tenant} is written in ${source} again, and the step begins once more`);
    arrival = await beginArrival(move);
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
  }
}

async function copyBase(move: Move, changes: ChangeCopy, { copied, progress }: Arrival): Promise<Progress> {
  let now = progress;
  let after = progress.elements === undefined ? '' : progress.elements;
  while (after !== null) {
    const from = after;
    after = await move.to.transact(async (sql) => {
      const last = await changes.elementsBefore(sql, copied, from);
      now = { ...now, elements: last };
      await progressed(sql, move, now);
      return last;
    });
  }
  return now;
}

/**
 * Copies changes until few are left.
 * @returns the seq up to which all are copied
 */
async function catchUp(move: Move, changes: ChangeCopy, copied: number, { progress }: MoveReport): Promise<number> {
  const { tenant, target } = move;
  let [at, count] = [copied, 0];
  for (let pieces = 1; ; pieces += 1) {
    const piece = await changes.next(at);
    at = piece.upTo;
    count += piece.outline.length;
    if (pieces % KEEP_EVERY === 0) {
      await keepFrom(move, at, piece.head);
      progress(`${tenant} is copied to ${target}: ${count} changes, ${piece.head - at} of the journal are left to look at`);
    }
    if (piece.head - at < FEW) return at;
  }
}

/** Checks that only changes written meanwhile are left for the last step, and that copied data equals the source. */
async function verified(move: Move, changes: ChangeCopy, series: SeriesCopy, arrival: Arrival, report: MoveReport): Promise<Arrival> {
  report.log(`${move.tenant} is compared with its copy`);
  const copied = await catchUp(move, changes, arrival.copied, report);
  // Values newer than these changes belong to elements that count as changed.
  const progress = await series.copyTo(await series.bound(), arrival);
  await verify(move, { copied });
  return { copied, progress: await copyContents(move, progress) };
}

/**
 * The last step.
 * @returns undefined if it took too long, and the source still serves the tenant
 */
async function decideNow(
  move: Move,
  changes: ChangeCopy,
  series: SeriesCopy,
  arrival: Arrival,
  { log }: MoveReport,
): Promise<true | undefined> {
  try {
    const { seq, written } = await fence(move);
    let { copied } = arrival;
    while (copied < seq) copied = (await changes.next(copied)).upTo;
    await copyContents(move, await series.copyTo(written, arrival));
    const copies = await groupCopies(move);
    if (copies === undefined)
      log(`Redis was not asked or did not answer: groups of ${move.tenant} continue from their positions in PostgreSQL`);
    if (!(await decide(move, copied, copies?.positions ?? []))) return undefined;
    await copies?.endLeases();
    return true;
  } catch (error) {
    await liftFence(move).catch(() => {});
    throw error;
  }
}

async function carryOutOwn(move: Move): Promise<void> {
  await carryOut(move);
  const where = await move.directory.run((sql) => journalOf(sql, move.tenant));
  if (where !== move.target) throw new RestartMove('the decision is not carried out yet');
}
