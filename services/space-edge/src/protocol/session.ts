/** One socket in `/pricings`: it only receives. Its messages are ignored and never acknowledged. */
import { spaceTestEvent } from '@polyedge/contracts/bus/space';
import type { PricingEvent } from '@polyedge/contracts/wire/space';
import { EVERYTHING, type Filter } from '@polyedge/query/filter';
import type { Effect, Input, Opening, Session } from '@polyedge/session/session';
import { SERVICE_TYPE } from '../catalogue/service.ts';

export interface SessionSettings {
  readonly tenant: string;
  /** Whether an API key is required. */
  readonly requireKey: boolean;
}

const EVENTS = 'events';
const TEST = 'test';
/** The scope of a principal that receives the events of every organization. */
export const ALL_ORGANIZATIONS = '*';

type SessionEffects = readonly Effect<PricingEvent>[];

/** A principal's `scopes` are the organizations whose events it may receive. */
export function openSession(
  { credential }: Pick<Opening, 'credential'>,
  settings: SessionSettings,
): readonly [PricingSession, SessionEffects] {
  const session = new PricingSession(settings.tenant);
  if (credential === undefined) {
    return [session, settings.requireKey ? [{ do: 'close', code: 1008, reason: 'an API key is required' }] : session.listen(EVERYTHING)];
  }
  if (!credential.ok) {
    const wrong = credential.failure.code === 'unauthenticated';
    // A key that could not be checked may be accepted when the client reconnects, which it does by itself only without a disconnect packet.
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

  listen(filter: Filter): SessionEffects {
    const events: Effect<PricingEvent> = {
      do: 'subscribe',
      id: EVENTS,
      to: { tenant: this.#tenant, type: SERVICE_TYPE },
      view: { filter, shape: 'message' },
    };
    // A test event belongs to no organization.
    return filter === EVERYTHING ? [events, { do: 'listen', id: TEST, subject: spaceTestEvent.subject({}) }] : [events];
  }

  handle(input: Input<unknown>): SessionEffects {
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
      // There is no replay: clients read everything again after reconnecting, and a disconnect packet (`41`) would prevent that.
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
