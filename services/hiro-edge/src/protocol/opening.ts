import { type Failure, failed } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { HiroError } from '@polyedge/contracts/wire/hiro';
import type { Effect, Opening, Session } from '@polyedge/session/session';
import { AUTHENTICATION_REQUIRED, CLOSE, closeReason, toError } from './failures.ts';

/** Longer than any sweep, and within the range of timers: later times are checked again after it. */
const LONGEST_TIMER_MS = 3_600_000;

/** A session that was refused on opening. */
class RefusedSession implements Session<never, never> {
  handle(): readonly [] {
    return [];
  }
}

/**
 * Opens a session, or refuses it in HIRO's way: the upgrade succeeds, followed by one error frame without id and the close. All known
 * clients react to one of the two; an HTTP 401 would make two of them reconnect in a loop.
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
    new RefusedSession(),
    [
      { do: 'send', frame: error },
      { do: 'close', code: refused ? CLOSE.refused : CLOSE.overload, reason: closeReason(error.error.message) },
    ],
  ];
}

/** The timer of a token's expiry. */
export const expiryTimer = (ms: number): { readonly do: 'set-timer'; readonly name: string; readonly ms: number } => ({
  do: 'set-timer',
  name: 'expiry',
  ms: Math.min(Math.max(ms, 1), LONGEST_TIMER_MS),
});
