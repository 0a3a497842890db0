/** One socket in `/pricings`: it only listens. What it sends is ignored, and acknowledgements it asks for are never given. */
import { spaceTestEvent } from '@polyedge/contracts/bus/space';
import type { PricingEvent } from '@polyedge/contracts/wire/space';
import { EVERYTHING, type Filter } from '@polyedge/query/filter';
import type { Effect, Input, Opening, Session } from '@polyedge/session/session';
import { SERVICE_TYPE } from '../catalogue/service.ts';

export interface SessionSettings {
  readonly tenant: string;
  /** Whether a socket has to present an API key. */
  readonly requireKey: boolean;
}

const EVENTS = 'events';
const TEST = 'test';
/** Of a principal that hears every organization. */
export const ALL_ORGANIZATIONS = '*';

type Effects = readonly Effect<PricingEvent>[];

/** A principal's `scopes` are the organizations it may hear of. */
export function openSession({ credential }: Pick<Opening, 'credential'>, settings: SessionSettings): readonly [PricingSession, Effects] {
  const session = new PricingSession(settings.tenant);
  if (credential === undefined) {
    return [session, settings.requireKey ? [{ do: 'close', code: 1008, reason: 'an API key is required' }] : session.listen(EVERYTHING)];
  }
  if (!credential.ok) {
    const wrong = credential.failure.code === 'unauthenticated';
    // What could not be checked now may pass when the client comes again by itself, which it does only without a farewell.
    return [session, [wrong ? { do: 'close', code: 1008, reason: 'the API key is not valid' } : { do: 'drop' }]];
  }
  const { scopes } = credential.value;
  const all = scopes.includes(ALL_ORGANIZATIONS);
  return [session, session.listen(all ? EVERYTHING : { test: 'in', path: ['attributes', 'organizationId'], values: [...scopes] })];
}

class PricingSession implements Session<unknown, PricingEvent> {
  readonly #tenant: string;

  constructor(tenant: string) {
    this.#tenant = tenant;
  }

  listen(filter: Filter): Effects {
    const events: Effect<PricingEvent> = {
      do: 'subscribe',
      id: EVENTS,
      to: { tenant: this.#tenant, type: SERVICE_TYPE },
      view: { filter, shape: 'message' },
    };
    // A test event belongs to no organization.
    return filter === EVERYTHING ? [events, { do: 'listen', id: TEST, subject: spaceTestEvent.subject({}) }] : [events];
  }

  handle(input: Input<unknown>): Effects {
    switch (input.kind) {
      case 'message':
        return spaceTestEvent.body.test(input.body)
          ? [
              {
                do: 'send',
                frame: {
                  code: 'PRICING_ARCHIVED',
                  details: { serviceName: input.body.serviceName, pricingVersion: input.body.pricingVersion },
                },
              },
            ]
          : [];
      // There is no replay: clients read everything again when they are connected anew, and a `41` packet would keep them from coming back.
      case 'lost':
      case 'drain':
      case 'revoked':
        return [{ do: 'drop' }];
      case 'frame':
      case 'undecodable':
      case 'authenticated':
      case 'reply':
      case 'written':
      case 'event':
      case 'subscribed':
      case 'confirmed':
      case 'timer':
        return [];
    }
  }
}
