/** Plain events and signals for sessions: one subscription on the bus per distinct subject, however many sessions listen. */
import type { EventChannel, SignalChannel } from '@polyedge/contracts/channel';
import type { Subscription, Subscriptions } from '@polyedge/service-kit/bus';

/** A channel a protocol may listen to. */
export type SharedChannel = EventChannel<string, unknown> | SignalChannel<string, unknown>;

type Listener = (body: unknown) => void;

interface SharedSubscription {
  readonly listeners: Set<Listener>;
  readonly subscription: Subscription;
}

/** `pe.<class>.<domain>.<name>.v<N>`: what all subjects of a channel begin with. */
const channelPart = (subject: string): string => subject.split('.', 5).join('.');

export class SharedSubscriptions {
  readonly #bus: Subscriptions;
  readonly #channels: ReadonlyMap<string, SharedChannel>;
  readonly #shared = new Map<string, SharedSubscription>();

  /** @param channels those that sessions of this edge may listen to */
  constructor(bus: Subscriptions, channels: readonly SharedChannel[]) {
    this.#bus = bus;
    this.#channels = new Map(channels.map((channel) => [channelPart(channel.address), channel]));
  }

  /** How many listen to a subject now. */
  listeners(subject: string): number {
    return this.#shared.get(subject)?.listeners.size ?? 0;
  }

  /** Hears a subject or pattern. Throws for one that belongs to none of the edge's channels: a mistake of ours. */
  listen(subject: string, listener: Listener): Subscription {
    const shared = this.#shared.get(subject) ?? this.#subscribe(subject);
    // A function of its own, so that one listener may listen twice.
    const own: Listener = (body) => listener(body);
    shared.listeners.add(own);
    return {
      unsubscribe: () => {
        if (!shared.listeners.delete(own) || shared.listeners.size > 0) return;
        shared.subscription.unsubscribe();
        this.#shared.delete(subject);
      },
    };
  }

  #subscribe(subject: string): SharedSubscription {
    const channel = this.#channels.get(channelPart(subject));
    if (channel === undefined) throw new Error(`not one of the channels that this edge hears: ${channelPart(subject)}`);
    const listeners = new Set<Listener>();
    const subscription = this.#bus.subscribe(channel, subject, (body) => {
      for (const listener of [...listeners]) if (listeners.has(listener)) listener(body);
    });
    const shared = { listeners, subscription };
    this.#shared.set(subject, shared);
    return shared;
  }
}
