/** Verifies the credential of a handshake within a time limit: a time-out or an exception fails only this handshake. */
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { type Wheel, WheelTimer } from '../wheel.ts';

/** Time-out of verifying a credential. */
const VERIFY_MS = 5000;

/** The part of a driver that handshakes need. */
interface Verifier {
  readonly wheel: Wheel;
  verify(credential: string, address: string): Outcome<Principal> | Promise<Outcome<Principal>>;
}

/** Never rejects. Returns synchronously if the driver does. */
export function verify(driver: Verifier, credential: string, address: string): Outcome<Principal> | Promise<Outcome<Principal>> {
  const outcome = driver.verify(credential, address);
  if (!(outcome instanceof Promise)) return outcome;
  return new Promise((resolve) => {
    const late = new WheelTimer(() => resolve(failed('unavailable', 'the credential could not be verified in time')));
    driver.wheel.set(late, VERIFY_MS);
    const finish = (verified: Outcome<Principal>): void => {
      driver.wheel.clear(late);
      resolve(verified);
    };
    outcome.then(finish, () => finish(failed('internal')));
  });
}
