/** Computes the inverse delta of a change, for `stateBefore` of the contracts. */
import type { Undo } from '@polyedge/contracts/change';
import type { Element, Stamp } from '@polyedge/contracts/element';
import { equalJson } from '@polyedge/query/equality';
import type { Json, JsonObject } from '@polyedge/query/json';
import { own, setOwn } from '@polyedge/query/own-properties';

/** What to restore to get from the attributes after to those before. */
export interface Difference {
  readonly set: JsonObject;
  readonly unset: readonly string[];
}

const NOTHING: Difference = { set: {}, unset: [] };

/** The difference of two attribute objects; `undefined` if they are equal. */
export function differenceOf(before: JsonObject, after: JsonObject): Difference | undefined {
  if (before === after) return undefined;
  const set: Record<string, Json> = {};
  const unset: string[] = [];
  let equal = true;
  for (const name of Object.keys(before)) {
    const was = before[name] ?? null;
    const is = own(after, name);
    if (is === undefined || (is !== was && !equalJson(is, was))) {
      setOwn(set, name, was);
      equal = false;
    }
  }
  for (const name of Object.keys(after)) {
    if (!Object.hasOwn(before, name)) unset.push(name);
  }
  return equal && unset.length === 0 ? undefined : { set, unset };
}

/** The undo of an element's first change. */
export const FRESH: Undo = { fresh: true, ...NOTHING, version: 0, seq: 0, deleted: false };

/** The undo of a change of an existing element, living or deleted. */
export function undoOf(before: Element, after: Element, difference: Difference = NOTHING): Undo {
  return {
    set: difference.set,
    unset: difference.unset,
    version: before.version,
    seq: before.seq,
    deleted: before.deleted,
    ...(sameStamp(before.modified, after.modified) ? {} : { modified: before.modified }),
    ...(sameStamp(before.created, after.created) ? {} : { created: before.created }),
    ...(before.scope === after.scope ? {} : { scope: before.scope }),
    ...(before.type === after.type ? {} : { type: before.type }),
    ...(before.xid === after.xid ? {} : { xid: before.xid ?? null }),
    ...(before.outType === undefined || before.outType === after.outType ? {} : { outType: before.outType }),
    ...(before.inType === undefined || before.inType === after.inType ? {} : { inType: before.inType }),
  };
}

const sameStamp = (left: Stamp, right: Stamp): boolean =>
  left === right || (left.on === right.on && left.by === right.by && left.app === right.app);
