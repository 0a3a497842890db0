/**
 * The fast path of events: assembles the text of an event from the text of a stored change. The result is identical to that of `toEvent`,
 * which defines the rules; undefined wherever the two could differ.
 */
import type { FullChange } from '@polyedge/contracts/change';
import { type ChangeParts, StoredChange } from '@polyedge/contracts/change-text';
import { SYSTEM_SCOPE } from '@polyedge/contracts/element';
import { versionIdOf } from '../element/attributes.ts';
import { EVENT_TYPES } from '../element/event.ts';
import { LISTS } from '../element/lists.ts';

/**
 * The text of a change's event; undefined if it must be translated, because it has attributes that are not strings, or that HIRO computes
 * or hides.
 */
export function spliceEvent(change: FullChange): string | undefined {
  if (!(change instanceof StoredChange) || change.scope === SYSTEM_SCOPE) return undefined;
  const attributes = change.textAttributes;
  if (attributes === undefined || attributes.includes('"ogit/_') || attributes.includes(`"${LISTS}"`)) return undefined;
  const { parts, seq } = change;
  const { id, on, modified } = parts;
  const metadata = `"ogit/_modified-by":${modified.by},"ogit/_modified-by-app":${modified.app},"ogit/_modified-on":${modified.on}`;
  return `{"id":${id},"body":{${systemAttributes(change, parts)}${attributes === '' ? '' : ','}${attributes}},"metadata":{${metadata}},"nanotime":${seq},"timestamp":${on},"type":"${EVENT_TYPES[change.action]}"}`;
}

/** The same as `addSystemAttributes` adds to an element without stored owner and organization. */
function systemAttributes(change: StoredChange, parts: ChangeParts): string {
  const { id, type, kind, version, created, modified, deleted } = parts;
  const isEdge = kind === '"edge"';
  const ends =
    maybe('ogit/_xid', parts.xid) +
    (isEdge ? `,"ogit/_edge-id":${id}` : '') +
    maybe('ogit/_out-id', parts.out) +
    maybe('ogit/_in-id', parts.in) +
    maybe('ogit/_out-type', parts.outType) +
    maybe('ogit/_in-type', parts.inType);
  const who = `"ogit/_created-on":${created.on},"ogit/_creator":${created.by},"ogit/_creator-app":${created.app},"ogit/_modified-on":${modified.on},"ogit/_modified-by":${modified.by},"ogit/_modified-by-app":${modified.app}`;
  const whose = `"ogit/_owner":${created.by},"ogit/_organization":${parts.tenant},"ogit/_scope":${parts.scope},"ogit/_is-deleted":${deleted}`;
  const gone =
    deleted === 'true' ? `,"ogit/_deleted-on":${modified.on},"ogit/_deleted-by":${modified.by},"ogit/_deleted-by-app":${modified.app}` : '';
  return `"ogit/_id":${id},"ogit/_type":${type},"ogit/_graphtype":${kind}${ends},"ogit/_v":${version},"ogit/_v-id":"${versionIdOf(change.id, version, modified.on)}",${who},${whose}${gone}`;
}

const maybe = (name: string, part: string | undefined): string => (part === undefined ? '' : `,"${name}":${part}`);
