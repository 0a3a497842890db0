/** The profile of an account: a vertex of its own beside the account, made when it is first written, which also carries the account's picture. */
import { graphGet } from '@polyedge/contracts/bus/graph';
import { profileId } from '@polyedge/contracts/element';
import type { Principal } from '@polyedge/contracts/principal';
import { fromBody } from './body.ts';
import { shown } from './showing.ts';
import { answer, ask, fail, type Step, write } from './step.ts';

const TYPE = 'ogit/Auth/AccountProfile';

/** Only what belongs to the account itself is its profile. */
const own = (who: Principal) => ({ test: 'equal', path: ['attributes', 'ogit/_owner'], value: who.account }) as const;

export function profileOf(who: Principal): Step {
  return ask(graphGet, { tenant: who.tenant }, { ids: [profileId(who.account)], visible: own(who) }, ({ elements: [element] }) =>
    answer(
      element === null || element === undefined
        ? { 'ogit/_type': TYPE, 'ogit/_owner': who.account, 'ogit/name': who.username }
        : shown(element, {}),
    ),
  );
}

/** Sets what is named; null removes. */
export function writeProfile(body: unknown, who: Principal, at: number): Step {
  const read = fromBody(body, { intent: 'update', at, names: 'lenient' });
  if (!read.ok) return { next: 'fail', failure: { code: 'invalid', detail: read.failure.errors.join('; ') } };
  const { set, put, unset, edits } = read.value;
  if (edits.length > 0) return fail('invalid', 'a profile is written whole, not by + and -');
  const { 'ogit/_owner': _owner, ...texts } = set;
  return write(
    [
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
    ],
    ({ operations }) => {
      const element = operations[0]?.elements[0];
      return element === undefined ? fail('not-found') : answer(shown(element, {}));
    },
  );
}
