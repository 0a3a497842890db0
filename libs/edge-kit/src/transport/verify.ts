/** The credential of a handshake, verified within a time: what takes longer, or fails unexpectedly, is a failure of this handshake alone. */
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { type Wheel, WheelTimer } from '../wheel.ts';

/** How long a credential may take to verify before the handshake is refused. */
const VERIFY_MS = 5000;

/** A driver, as far as handshakes ask it. */
interface Verifier {
  readonly wheel: Wheel;
  verify(credential: string, address: string): Outcome<Principal> | Promise<Outcome<Principal>>;
}

/** Never rejects. At once where the driver knows at once. */
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
