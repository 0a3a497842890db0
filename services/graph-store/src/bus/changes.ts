/** Answers edges that missed changes: by seq or by interest, from memory if possible. */
import { graphChanges, graphPosition } from '@polyedge/contracts/bus/feed';
import type { FullChange } from '@polyedge/contracts/change';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { covers } from '@polyedge/contracts/interest';
import { type PageBounds, PageSize } from '@polyedge/journal/groups/page-size';
import type { Bus, Responder } from '@polyedge/service-kit/bus';
import type { Journal } from '../postgres/journal.ts';
import { outcomeOf } from '../postgres/read.ts';
import type { RecentChanges } from '../publisher/recent.ts';

/** Maximum bytes of changes in one reply; callers request the rest. */
const MAX_REPLY_BYTES = 4 * 1024 * 1024;
/** Maximum rows of the journal scanned for one reply. */
const MAX_SCANNED = 20_000;
/** Changes per read of the journal: as many as one reply may have, and few until their size is known. */
const PAGES: PageBounds = { first: 16, most: 500, bytes: MAX_REPLY_BYTES };

export interface ChangesOptions {
  /** The journal, for a caller with this deadline. */
  readonly journal: (deadline: number) => Journal;
  readonly recent: RecentChanges;
  readonly partitions: number;
}

/** The sources of changes for one request. */
interface Sources {
  readonly journal: Journal;
  readonly recent: RecentChanges;
}

export function answerChanges(bus: Bus, options: ChangesOptions): Responder[] {
  return [
    bus.respond(graphChanges, (request, { deadline }) =>
      outcomeOf(() => changes(request, { journal: options.journal(deadline), recent: options.recent })),
    ),
    bus.respond(graphPosition, (_request, { deadline }) =>
      outcomeOf(async () => done({ ...(await options.journal(deadline).position()), partitions: options.partitions })),
    ),
  ];
}

async function changes(
  request: RequestOf<typeof graphChanges>,
  { journal, recent }: Sources,
): Promise<Outcome<ReplyOf<typeof graphChanges>>> {
  const position = await journal.position();
  recent.enter(position.epoch);
  if (request.epoch !== position.epoch) return failed('lost', 'another history has begun');
  if (request.seqs !== undefined) {
    const wanted = [...request.seqs].sort((left, right) => left - right);
    const { changes: found, upTo } = await collect(wanted, { journal, recent });
    return done({ epoch: position.epoch, to: upTo ?? wanted.at(-1) ?? 0, changes: found });
  }
  const { after = 0, interests = [] } = request;
  const upTo = Math.min(request.upTo ?? position.seq, position.seq);
  if (after + 1 < position.oldest) return failed('lost', 'the position is older than what is kept');
  if (upTo <= after) return done({ epoch: position.epoch, to: after, changes: [] });
  const matching = inMemory(after, upTo);
  if (matching !== undefined) {
    const wanted = matching.filter((change) => change.scope !== 'system' && interests.some((interest) => covers(interest, change)));
    const bounded = within(wanted);
    return done({ epoch: position.epoch, to: bounded.cutAt ?? upTo, changes: bounded.changes });
  }
  const { seqs, to } = await journal.seqsOf(interests, after, upTo, MAX_SCANNED);
  const collected = await collect(seqs, { journal, recent });
  return done({ epoch: position.epoch, to: collected.upTo ?? to, changes: collected.changes });

  /** The whole range, if memory has all of it and scanning it is cheaper than querying the journal. */
  function inMemory(from: number, to: number): FullChange[] | undefined {
    if (to - from > MAX_SCANNED || interests.length > 64) return undefined;
    const range: FullChange[] = [];
    for (let seq = from + 1; seq <= to; seq += 1) {
      const found = recent.get(seq);
      if (found === undefined) return undefined;
      range.push(found.change);
    }
    return range;
  }
}

/**
 * Changes by seq, in order, up to the size of a reply; `upTo` is set if it stopped early, and everything requested up to there is included.
 */
async function collect(
  seqs: readonly number[],
  { journal, recent }: Sources,
): Promise<{ changes: FullChange[]; upTo: number | undefined }> {
  const changes: FullChange[] = [];
  const pages = new PageSize(PAGES);
  let bytes = 0;
  for (let at = 0; at < seqs.length; ) {
    const page = seqs.slice(at, at + pages.limit);
    at += page.length;
    const sizes: { readonly bytes: number }[] = [];
    const missing = page.filter((seq) => recent.get(seq) === undefined);
    const read = new Map((missing.length === 0 ? [] : await journal.bySeq(missing)).map((change) => [change.seq, change]));
    for (const seq of page) {
      const known = recent.get(seq);
      const change = known?.change ?? read.get(seq);
      if (change === undefined || change.scope === 'system') continue;
      const size = known?.characters ?? JSON.stringify(change).length;
      sizes.push({ bytes: size });
      bytes += size;
      const last = changes.at(-1);
      if (bytes > MAX_REPLY_BYTES && last !== undefined) return { changes, upTo: last.seq };
      changes.push(change);
    }
    pages.adapt(sizes);
  }
  return { changes, upTo: undefined };
}

/** The first changes that fit into a reply, at least one; `cutAt` is the seq of the last one if not all fit. */
export function within(changes: readonly FullChange[]): { changes: FullChange[]; cutAt: number | undefined } {
  let bytes = 0;
  for (const [index, change] of changes.entries()) {
    bytes += JSON.stringify(change).length;
    if (bytes > MAX_REPLY_BYTES && index > 0) return { changes: changes.slice(0, index), cutAt: changes[index - 1]?.seq };
  }
  return { changes: [...changes], cutAt: undefined };
}
