/** A connection's subscription to the cores that connect and disconnect, which it has while its login is pending. Its id is `cores`. */
import { jssocketCores } from '@polyedge/contracts/bus/jssocket';
import type { Effect } from '@polyedge/session/session';

export class CoreNews {
  readonly #tenant: string;
  #listening = false;

  constructor(tenant: string) {
    this.#tenant = tenant;
  }

  /** Listens, unless it does already. */
  begin(): readonly Effect<never>[] {
    if (this.#listening) return [];
    this.#listening = true;
    return [{ do: 'listen', id: 'cores', subject: jssocketCores.subject({ tenant: this.#tenant }) }];
  }

  /** Ends the subscription, if there is one. */
  end(): readonly Effect<never>[] {
    if (!this.#listening) return [];
    this.#listening = false;
    return [{ do: 'unsubscribe', id: 'cores' }];
  }
}
