/** Event and signal subscriptions for sessions: one bus subscription per distinct subject, however many sessions listen. */
import type { EventChannel, SignalChannel } from '@polyedge/contracts/channel';
import type { Subscription, Subscriptions } from '@polyedge/service-kit/bus';

/** A channel that sessions may listen to. */
export type SharedChannel = EventChannel<string, unknown> | SignalChannel<string, unknown>;

type Listener = (body: unknown) => void;

interface SharedSubscription {
  readonly listeners: Set<Listener>;
  readonly subscription: Subscription;
}

/** `pe.<class>.<domain>.<name>.v<N>`: the common prefix of a channel's subjects. */
const channelPart = (subject: string): string => subject.split('.', 5).join('.');

export class SharedSubscriptions {
  readonly #bus: Subscriptions;
  readonly #channels: ReadonlyMap<string, SharedChannel>;
  readonly #shared = new Map<string, SharedSubscription>();

  /** @param channels the channels that sessions of this edge may listen to */
  constructor(bus: Subscriptions, channels: readonly SharedChannel[]) {
    this.#bus = bus;
    this.#channels = new Map(channels.map((channel) => [channelPart(channel.address), channel]));
  }

  /** Number of listeners of a subject. */
  listeners(subject: string): number {
    return this.#shared.get(subject)?.listeners.size ?? 0;
  }

  /** Subscribes to a subject or pattern. Throws if it belongs to none of the edge's channels, which is a bug. */
  listen(subject: string, listener: Listener): Subscription {
    const shared = this.#shared.get(subject) ?? this.#subscribe(subject);
    // A new function, so that the same listener can subscribe twice.
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
    if (channel === undefined) throw new Error(`not a channel that this edge subscribes to: ${channelPart(subject)}`);
    const listeners = new Set<Listener>();
    const subscription = this.#bus.subscribe(channel, subject, (body) => {
      for (const listener of [...listeners]) if (listeners.has(listener)) listener(body);
    });
    const shared = { listeners, subscription };
    this.#shared.set(subject, shared);
    return shared;
  }
}
