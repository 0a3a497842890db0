/** The history of a vertex in HIRO's three forms, and past events (HIRO Graph API; hiro-client-python `get_history`, `get_events`). */
import { graphHistory } from '@polyedge/contracts/bus/graph';
import { type Change, type FullChange, isFull, stateBefore } from '@polyedge/contracts/change';
import { failed } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { EVERYTHING } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import { compile, type Predicate } from '@polyedge/query/predicate';
import { call } from '@polyedge/session/questions';
import { eventDocument, toEvent } from '../element/event.ts';
import { type DisplayOptions, toVertex, versionId } from '../element/vertex.ts';
import { visibleEventsFor, visibleTo } from '../element/visibility.ts';
import { compileJfilter } from '../jfilter/jfilter.ts';
import type { RequestParameters } from '../parameters.ts';
import { displayOptionsOf, toShownJson } from './display-options.ts';
import { includesDeleted, PAGE_ITEMS, Pages, rangeOf, readElement, timeOf } from './read-element.ts';
import { list, page, type Work } from './work.ts';

/** hiro-python-library, backend/seven/graph: the server's own default. */
const DEFAULT_LIMIT = 20;

/** Versions of a vertex or an edge, newest first. */
export function* history(parameters: RequestParameters, who: Principal): Work {
  const id = parameters.text('ogit/_id');
  const range = rangeOf(parameters, DEFAULT_LIMIT);
  if (!range.ok) return range;
  const form = parameters.text('type') ?? 'element';
  const show = formOf(form, displayOptionsOf(parameters), who);
  if (show === undefined) return failed('invalid', `unknown type of history "${form}"`);
  const from = timeOf(parameters, 'from') ?? 0;
  // Changes made while the request was in transit are included.
  const to = timeOf(parameters, 'to') ?? Number.MAX_SAFE_INTEGER;
  const version = parameters.integer('version');
  const vid = parameters.text('vid');
  const element = yield* readElement(id, includesDeleted(parameters), who);
  if (!element.ok) return element;
  // The id of a version begins with its time.
  const vidOn = vid === undefined ? undefined : Number(/^\d{1,15}/.exec(vid)?.[0] ?? '0');
  const rows = new Pages();
  let left = range.value.limit;
  for (let beforeSeq: number | undefined; left > 0; ) {
    const place = beforeSeq === undefined ? { offset: range.value.offset } : { beforeSeq };
    const past = yield* rows.next(vid === undefined ? left : PAGE_ITEMS, (limit) =>
      call(
        graphHistory,
        { tenant: who.tenant },
        {
          elements: [element.value.id],
          from: Math.max(from, vidOn ?? from),
          to: Math.min(to, vidOn ?? to),
          limit,
          visible: visibleTo(who),
          accounts: true,
          ...(version === undefined ? {} : { version }),
          ...place,
        },
      ),
    );
    if (!past.ok) return past;
    const { changes, more } = past.value;
    const found = changes.filter((change) => isFull(change) && (vid === undefined || versionId(change.state) === vid)).filter(isFull);
    const items = found.slice(0, left).map(show);
    left -= items.length;
    beforeSeq = changes.at(-1)?.seq;
    if (!more || beforeSeq === undefined || left <= 0) return list(items);
    yield page(items);
  }
  return list([]);
}

function formOf(type: string, display: DisplayOptions, who: Principal): ((change: FullChange) => Json) | undefined {
  switch (type) {
    case 'element':
      return ({ state }) => toShownJson(state, display);
    case 'full':
      return (change) => ({
        identity: change.by,
        action: historyAction(change),
        data: toShownJson(change.state, display),
        meta: {
          id: change.id,
          nanotime: change.seq,
          timestamp: change.on,
          version: change.version,
          vid: versionId(change.state),
        },
      });
    case 'diff': {
      const visible = compile(visibleTo(who));
      return (change) => difference(change, visible);
    }
    default:
      return undefined;
  }
}

/** History has three actions only (hiro-python-library, model/graph/history). */
function historyAction({ action }: Pick<Change, 'action'>): 'CREATE' | 'UPDATE' | 'DELETE' {
  if (action === 'create' || action === 'connect') return 'CREATE';
  return action === 'delete' || action === 'disconnect' ? 'DELETE' : 'UPDATE';
}

/** The attributes that a version added, replaced and removed, the latter with their old values. Empty if the state before is not `visible`. */
function difference(change: FullChange, visible: Predicate): Json {
  const before = stateBefore(change.state, change.undo);
  const old = before === undefined || !visible(before) ? {} : toVertex(before);
  const now = toVertex(change.state);
  const entries = (names: readonly string[], of: Readonly<Record<string, Json>>): Json =>
    Object.fromEntries(names.map((name) => [name, of[name] ?? null]));
  const added = Object.keys(now).filter((name) => !Object.hasOwn(old, name));
  const removed = Object.keys(old).filter((name) => !Object.hasOwn(now, name));
  const replaced = Object.keys(now).filter((name) => Object.hasOwn(old, name) && old[name] !== now[name]);
  return { add: entries(added, now), replace: entries(replaced, now), remove: entries(removed, old) };
}

/** Past events of a time range, oldest first: those that a socket with this filter would have received. */
export function* events(parameters: RequestParameters, who: Principal, at: number): Work {
  const text = parameters.text('filter');
  const filter = text === undefined ? undefined : compileJfilter(text, { tenant: who.tenant });
  if (filter?.ok === false) return filter;
  const range = rangeOf(parameters, -1);
  if (!range.ok) return range;
  const from = timeOf(parameters, 'from') ?? 0;
  const to = timeOf(parameters, 'to') ?? at;
  const type = parameters.text('type');
  const matches = compile(filter?.value ?? EVERYTHING);
  let left = range.value.limit;
  const rows = new Pages();
  // It counts matching events, so it is applied here and not in the store.
  let skip = range.value.offset;
  for (let afterSeq: number | undefined; left > 0; ) {
    const place = afterSeq === undefined ? {} : { afterSeq };
    const past = yield* rows.next(PAGE_ITEMS, (limit) =>
      call(
        graphHistory,
        { tenant: who.tenant },
        {
          from,
          to,
          order: 'asc',
          limit,
          visible: visibleEventsFor(who, { all: true, subscribed: [] }),
          ...(type === undefined ? {} : { type }),
          ...place,
        },
      ),
    );
    if (!past.ok) return past;
    const { changes, more } = past.value;
    const found = changes.filter(isFull).filter((change) => matches(eventDocument(change)));
    const shownEvents = found.flatMap((change) => {
      const event = toEvent(change, { delta: false });
      // An event consists of JSON values.
      return event === undefined ? [] : [event as unknown as Json];
    });
    const items = shownEvents.slice(skip, skip + left);
    left -= items.length;
    skip = Math.max(0, skip - shownEvents.length);
    afterSeq = changes.at(-1)?.seq;
    if (!more || afterSeq === undefined || left <= 0) return list(items);
    yield page(items);
  }
  return list([]);
}
