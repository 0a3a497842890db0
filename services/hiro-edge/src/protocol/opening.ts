import { type Failure, failed } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { HiroError } from '@polyedge/contracts/wire/hiro';
import type { Effect, Opening, Session } from '@polyedge/session/session';
import { AUTHENTICATION_REQUIRED, CLOSE, closeReason, toError } from './failures.ts';

/** Longer than any sweep, short enough for every timer: what is further away is looked at again. */
const LONGEST_TIMER_MS = 3_600_000;

/** A conversation that ended before it began. */
class Refused implements Session<never, never> {
  handle(): readonly [] {
    return [];
  }
}

/**
 * Opens a conversation, or refuses it as HIRO does: the upgrade has succeeded, one error frame without id follows, then the close. All
 * known clients look for one of the two; an HTTP 401 would send two of them into a reconnect loop.
 */
export function openOrRefuse<In, Out>(
  opening: Opening,
  open: (principal: Principal) => readonly [Session<In, Out>, readonly Effect<Out>[]],
): readonly [Session<In, Out>, readonly Effect<Out | HiroError>[]] {
  const credential = opening.credential ?? failed('unauthenticated');
  if (credential.ok) return open(credential.value);
  const refused = credential.failure.code === 'unauthenticated';
  const failure: Failure = refused ? { code: 'unauthenticated', detail: AUTHENTICATION_REQUIRED } : credential.failure;
  const error = toError(failure);
  return [
    new Refused(),
    [
      { do: 'send', frame: error },
      { do: 'close', code: refused ? CLOSE.refused : CLOSE.overload, reason: closeReason(error.error.message) },
    ],
  ];
}

/** The timer of a token's end. */
export const expiryTimer = (ms: number): { readonly do: 'set-timer'; readonly name: string; readonly ms: number } => ({
  do: 'set-timer',
  name: 'expiry',
  ms: Math.min(Math.max(ms, 1), LONGEST_TIMER_MS),
});
