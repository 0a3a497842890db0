/**
 * The subscriptions of the sessions of one edge. Messages to a connection or a group are received by one subscription for the whole edge and
 * routed here, instead of by one subscription each. So the edge knows its connections: it answers for those that are gone and knows its
 * cores. A new member of a group also receives everything from then on: a core that confirms a login and immediately notifies the group
 * would otherwise be faster than the member's subscription.
 */
import { jssocketAsked, jssocketNotifiedGroup, jssocketTold } from '@polyedge/contracts/bus/jssocket';
import type { EventChannel, SignalChannel } from '@polyedge/contracts/channel';
import type { Publications, Subscription, Subscriptions } from '@polyedge/service-kit/bus';

type RoutedHandler = (body: unknown, subject: string, bytes: number, traceparent?: string) => void;

export interface RoutedOptions {
  readonly bus: Publications & Subscriptions;
  readonly tenant: string;
  /** The first part of the connection ids of this edge. */
  readonly tag: string;
  /** Called when a core of this edge connects or disconnects. */
  readonly coresChanged: () => void;
}

export class RoutedSubscriptions implements Subscriptions {
  readonly #bus: Publications & Subscriptions;
  readonly #tenant: string;
  readonly #coresChanged: () => void;
  /** The handler of a connection, by its subject. */
  readonly #connections = new Map<string, RoutedHandler>();
  readonly #groups = new Map<string, Set<RoutedHandler>>();
  readonly #subscriptions: readonly Subscription[];
  /** Subjects of cores, in the order they registered, with their connection ids. */
  readonly #cores = new Map<string, string>();

  constructor({ bus, tenant, tag, coresChanged }: RoutedOptions) {
    this.#bus = bus;
    this.#tenant = tenant;
    this.#coresChanged = coresChanged;
    const mine = { tenant, edge: tag };
    this.#subscriptions = [
      bus.subscribe(jssocketTold, jssocketTold.pattern(mine), (body, subject, bytes, traceparent) => {
        const handler = this.#connections.get(subject);
        if (handler !== undefined) handler(body, subject, bytes, traceparent);
        else if (body.kind === 'group-asked') this.#sendTo(body.by, { kind: 'group-known', question: body.question, known: false });
      }),
      bus.subscribe(jssocketAsked, jssocketAsked.pattern(mine), (body, subject, bytes, traceparent) => {
        const handler = this.#connections.get(subject);
        if (handler !== undefined) handler(body, subject, bytes, traceparent);
        else this.#sendTo(body.client, { kind: 'core-gone', core: subject.slice(subject.lastIndexOf('.') + 1) });
      }),
      bus.subscribe(jssocketNotifiedGroup, jssocketNotifiedGroup.pattern({ tenant }), (body, subject, bytes, traceparent) =>
        this.#notify(subject, body, bytes, traceparent),
      ),
    ];
  }

  /** The cores of this edge, in the order they registered. */
  get cores(): string[] {
    return [...this.#cores.values()];
  }

  /** Notifies the members of a group that are connected to this edge. */
  notifyHere(group: string, payload: string): void {
    const subject = jssocketNotifiedGroup.subject({ tenant: this.#tenant, group });
    this.#notify(subject, { group, payload }, payload.length);
  }

  #notify(subject: string, body: unknown, bytes: number, traceparent?: string): void {
    for (const handler of [...(this.#groups.get(subject) ?? [])]) handler(body, subject, bytes, traceparent);
  }

  /** Unsubscribes; the bus itself is borrowed. */
  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  subscribe<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    subject: string,
    handler: (body: Body, subject: string, bytes: number, traceparent?: string) => void,
  ): Subscription {
    const { address } = channel;
    // A subject belongs to one channel, and this handler takes its bodies. The type is erased because the map holds handlers of several channels.
    const erased = handler as RoutedHandler;
    if (address === jssocketTold.address) return this.#connect(subject, erased);
    if (address === jssocketAsked.address) return this.#register(subject, erased);
    if (address === jssocketNotifiedGroup.address) return this.#join(subject, erased);
    return this.#bus.subscribe(channel, subject, handler);
  }

  #connect(subject: string, handler: RoutedHandler): Subscription {
    this.#connections.set(subject, handler);
    return {
      unsubscribe: () => {
        if (this.#connections.get(subject) === handler) this.#connections.delete(subject);
      },
    };
  }

  #register(subject: string, handler: RoutedHandler): Subscription {
    const connected = this.#connect(subject, handler);
    this.#cores.set(subject, subject.slice(subject.lastIndexOf('.') + 1));
    this.#coresChanged();
    return {
      unsubscribe: () => {
        connected.unsubscribe();
        if (this.#cores.delete(subject)) this.#coresChanged();
      },
    };
  }

  #join(subject: string, handler: RoutedHandler): Subscription {
    const handlers = this.#groups.get(subject) ?? new Set<RoutedHandler>();
    this.#groups.set(subject, handlers);
    handlers.add(handler);
    return {
      unsubscribe: () => {
        handlers.delete(handler);
        if (handlers.size === 0 && this.#groups.get(subject) === handlers) this.#groups.delete(subject);
      },
    };
  }

  #sendTo(connection: string, body: { kind: 'group-known'; question: number; known: boolean } | { kind: 'core-gone'; core: string }): void {
    const edge = connection.slice(0, 8);
    this.#bus.publish(jssocketTold, { tenant: this.#tenant, edge, connection }, body);
  }
}
