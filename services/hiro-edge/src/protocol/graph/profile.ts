/** The profile of an account: a separate vertex, created by the first write, which also holds the account's avatar. */
import { graphGet } from '@polyedge/contracts/bus/graph';
import { profileId } from '@polyedge/contracts/element';
import { failed } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { call, write } from '@polyedge/session/questions';
import { fromBody } from './body.ts';
import { toShownJson } from './display-options.ts';
import { answer, type Work } from './work.ts';

const TYPE = 'ogit/Auth/AccountProfile';

/** A vertex is the profile only if it belongs to the account. */
const own = (who: Principal) => ({ test: 'equal', path: ['attributes', 'ogit/_owner'], value: who.account }) as const;

export function* profileOf(who: Principal): Work {
  const found = yield* call(graphGet, { tenant: who.tenant }, { ids: [profileId(who.account)], visible: own(who) });
  if (!found.ok) return found;
  const [element] = found.value.elements;
  return answer(
    element === null || element === undefined
      ? { 'ogit/_type': TYPE, 'ogit/_owner': who.account, 'ogit/name': who.username }
      : toShownJson(element, {}),
  );
}

/**
 * Sets the given attributes; null removes.
 * @param what the operation's name in the journal
 */
export function* writeProfile(what: string, body: unknown, who: Principal, at: number): Work {
  const read = fromBody(body, { intent: 'update', at, names: 'lenient' });
  if (!read.ok) return failed('invalid', read.failure.errors.join('; '));
  const { set, put, unset, edits } = read.value;
  if (edits.length > 0) return failed('invalid', 'a profile is written whole, not by + and -');
  const { 'ogit/_owner': _owner, ...texts } = set;
  const written = yield* write(what, [
    {
      op: 'update',
      target: { id: profileId(who.account) },
      set: texts,
      unset: unset.filter((name) => name !== 'ogit/_owner'),
      put: put.map(({ path, value }) => ({ path: [...path], value })),
      before: own(who),
      ifMissing: {
        type: TYPE,
        id: profileId(who.account),
        scope: who.defaultScope,
        attributes: { 'ogit/name': who.username, 'ogit/_owner': who.account },
      },
    },
  ]);
  if (!written.ok) return written;
  const element = written.value.operations[0]?.elements[0];
  return element === undefined ? failed('not-found') : answer(toShownJson(element, {}));
}
