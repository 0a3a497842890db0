/** Plain events and signals for sessions: one subscription on the bus per distinct subject, however many sessions listen. */
import type { EventChannel, SignalChannel } from '@polyedge/contracts/channel';
import type { Subscription, Subscriptions } from '@polyedge/service-kit/bus';

/** A channel a protocol may listen to. */
export type HeardChannel = EventChannel<string, unknown> | SignalChannel<string, unknown>;

type Listener = (body: unknown) => void;

interface Heard {
  readonly listeners: Set<Listener>;
  readonly subscription: Subscription;
}

/** `pe.<class>.<domain>.<name>.v<N>`: what all subjects of a channel begin with. */
const channelPart = (subject: string): string => subject.split('.', 5).join('.');

export class Hearing {
  readonly #bus: Subscriptions;
  readonly #channels: ReadonlyMap<string, HeardChannel>;
  readonly #heard = new Map<string, Heard>();

  /** @param channels those that sessions of this edge may listen to */
  constructor(bus: Subscriptions, channels: readonly HeardChannel[]) {
    this.#bus = bus;
    this.#channels = new Map(channels.map((channel) => [channelPart(channel.address), channel]));
  }

  /** How many listen to a subject now. */
  listeners(subject: string): number {
    return this.#heard.get(subject)?.listeners.size ?? 0;
  }

  /** Hears a subject or pattern. Throws for one that belongs to none of the edge's channels: a mistake of ours. */
  listen(subject: string, listener: Listener): Subscription {
    const heard = this.#heard.get(subject) ?? this.#hear(subject);
    // A function of its own, so that one listener may listen twice.
    const own: Listener = (body) => listener(body);
    heard.listeners.add(own);
    return {
      unsubscribe: () => {
        if (!heard.listeners.delete(own) || heard.listeners.size > 0) return;
        heard.subscription.unsubscribe();
        this.#heard.delete(subject);
      },
    };
  }

  #hear(subject: string): Heard {
    const channel = this.#channels.get(channelPart(subject));
    if (channel === undefined) throw new Error(`not one of the channels that this edge hears: ${channelPart(subject)}`);
    const listeners = new Set<Listener>();
    const subscription = this.#bus.subscribe(channel, subject, (body) => {
      for (const listener of [...listeners]) if (listeners.has(listener)) listener(body);
    });
    const heard = { listeners, subscription };
    this.#heard.set(subject, heard);
    return heard;
  }
}
