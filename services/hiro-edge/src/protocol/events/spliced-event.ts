/**
 * The fast path of events: assembles the text of an event from the text of a stored change. The result is identical to that of `toEvent`,
 * which defines the rules; undefined wherever the two could differ.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { ChangeParts } from '@polyedge/contracts/change-head';
import { StoredChange } from '@polyedge/contracts/change-text';
import { SYSTEM_SCOPE } from '@polyedge/contracts/element';
import { versionIdOf } from '../element/attributes.ts';
import { EVENT_TYPES } from '../element/event.ts';
import { LISTS } from '../element/lists.ts';

/** As it is in the text of a change. */
const SYSTEM = JSON.stringify(SYSTEM_SCOPE);

/**
 * The text of a change's event; undefined if it must be translated, because it has attributes that are not strings, or that HIRO computes
 * or hides.
 */
export function spliceEvent(change: FullChange): string | undefined {
  if (!(change instanceof StoredChange) || change.parts.scope === SYSTEM) return undefined;
  const attributes = change.textAttributes;
  if (attributes === undefined || attributes.includes('"ogit/_') || attributes.includes(`"${LISTS}"`)) return undefined;
  const { parts, seq } = change;
  const { id, type, kind, version, createdOn, createdBy, createdApp, modifiedOn, modifiedBy, modifiedApp, tenant, scope, deleted, on } =
    parts;
  const comma = attributes === '' ? '' : ',';
  // In `body`, the same as `addSystemAttributes` adds to an element without stored owner and organization.
  return `{"id":${id},"body":{"ogit/_id":${id},"ogit/_type":${type},"ogit/_graphtype":${kind}${endsOf(parts)},"ogit/_v":${version},"ogit/_v-id":"${versionIdOf(change.id, version, modifiedOn)}","ogit/_created-on":${createdOn},"ogit/_creator":${createdBy},"ogit/_creator-app":${createdApp},"ogit/_modified-on":${modifiedOn},"ogit/_modified-by":${modifiedBy},"ogit/_modified-by-app":${modifiedApp},"ogit/_owner":${createdBy},"ogit/_organization":${tenant},"ogit/_scope":${scope},"ogit/_is-deleted":${deleted}${goneOf(parts)}${comma}${attributes}},"metadata":{"ogit/_modified-by":${modifiedBy},"ogit/_modified-by-app":${modifiedApp},"ogit/_modified-on":${modifiedOn}},"nanotime":${seq},"timestamp":${on},"type":"${EVENT_TYPES[change.action]}"}`;
}

/** What vertices with an external id and edges have besides. */
function endsOf({ id, kind, xid, out, in: into, outType, inType }: ChangeParts): string {
  const isEdge = kind === '"edge"';
  if (!isEdge && xid === undefined && out === undefined && into === undefined && outType === undefined && inType === undefined) return '';
  const edgeId = isEdge ? `,"ogit/_edge-id":${id}` : '';
  return `${maybe('ogit/_xid', xid)}${edgeId}${maybe('ogit/_out-id', out)}${maybe('ogit/_in-id', into)}${maybe('ogit/_out-type', outType)}${maybe('ogit/_in-type', inType)}`;
}

function goneOf({ deleted, modifiedOn, modifiedBy, modifiedApp }: ChangeParts): string {
  if (deleted !== 'true') return '';
  return `,"ogit/_deleted-on":${modifiedOn},"ogit/_deleted-by":${modifiedBy},"ogit/_deleted-by-app":${modifiedApp}`;
}

const maybe = (name: string, part: string | undefined): string => (part === undefined ? '' : `,"${name}":${part}`);
