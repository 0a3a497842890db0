/** Interests: the sets of changes that a watch can select, and the short keys by which heads announce changes. */
import type { Change } from './change.ts';

/** All changes of a tenant, those of one type, or those of one owner. */
export type Interest =
  | { readonly tenant: string }
  | { readonly tenant: string; readonly type: string }
  | { readonly tenant: string; readonly owner: string };

/** A text that is the same for two interests exactly if they are equal. */
export function interestName(interest: Interest): string {
  if ('type' in interest) return JSON.stringify([interest.tenant, 'type', interest.type]);
  if ('owner' in interest) return JSON.stringify([interest.tenant, 'owner', interest.owner]);
  return JSON.stringify([interest.tenant]);
}

/** Whether a change belongs to an interest. */
export function covers(interest: Interest, change: Pick<Change, 'tenant' | 'type' | 'owners'>): boolean {
  if (interest.tenant !== change.tenant) return false;
  if ('type' in interest) return interest.type === change.type;
  if ('owner' in interest) return change.owners.includes(interest.owner);
  return true;
}

/** The short key of an interest (32 bits). Two interests may share a key: this only costs a comparison with the change, never a loss. */
export function interestKey(interest: Interest): number {
  if ('type' in interest) return fnv1a(`t\0${interest.tenant}\0${interest.type}`);
  if ('owner' in interest) return fnv1a(`o\0${interest.tenant}\0${interest.owner}`);
  return fnv1a(`a\0${interest.tenant}`);
}

/** The keys of every interest that a change belongs to: tenant, type, then each owner. */
export function keysOf(change: Pick<Change, 'tenant' | 'type' | 'owners'>): number[] {
  const { tenant } = change;
  return [
    interestKey({ tenant }),
    interestKey({ tenant, type: change.type }),
    ...change.owners.map((owner) => interestKey({ tenant, owner })),
  ];
}

// FNV-1a over UTF-16 code units: short, stable, and good enough for keys whose collisions are harmless.
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    hash ^= text.charCodeAt(at);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}
