/**
 * The bus with several journals. Subjects of channels that each journal has contain its name, except in `main`. `busOf` is bound to one
 * journal; `RoutedBus` routes requests about a tenant to its journal.
 */
import type { EventChannel, RequestChannel, SignalChannel } from '@polyedge/contracts/channel';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import { inJournal, MAIN } from '@polyedge/contracts/journal';
import type { Parameters } from '@polyedge/contracts/subject';
import type { Bus, BusStatus, RequestContext, Responder, RespondOptions, Subscription } from './bus.ts';
import { tenantAt, tenantIndex } from './bus-wire.ts';
import type { KnownPlacements } from './placements.ts';
import type { Spans } from './spans.ts';
import { processSurroundings } from './surroundings.ts';

interface AskOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** A bus that delegates to another one. */
class PassingBus implements Bus {
  readonly bus: Bus;

  constructor(bus: Bus) {
    this.bus = bus;
  }

  get spans(): Spans | undefined {
    return this.bus.spans;
  }

  get status(): BusStatus {
    return this.bus.status;
  }

  request<Reply>(
    channel: RequestChannel<string, unknown, Reply>,
    subject: string,
    body: unknown,
    options: AskOptions,
  ): Promise<Outcome<Reply>> {
    return this.bus.request(channel, subject, body, options);
  }

  respond<Address extends string, Request, Reply>(
    channel: RequestChannel<Address, Request, Reply>,
    handler: (body: Request, context: RequestContext) => Promise<Outcome<Reply>>,
    options?: RespondOptions<Reply, Address>,
  ): Responder {
    return this.bus.respond(channel, handler, options);
  }

  publish<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    values: Parameters<Address>,
    body: Body,
    journal?: string,
  ): void {
    this.bus.publish(channel, values, body, journal);
  }

  publishText(subject: string, json: string, traceparent?: string): boolean {
    return this.bus.publishText(subject, json, traceparent);
  }

  flush(timeoutMs: number): Promise<Outcome<void>> {
    return this.bus.flush(timeoutMs);
  }

  subscribe<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    subject: string,
    handler: (body: Body, subject: string, bytes: number, traceparent?: string) => void,
  ): Subscription {
    return this.bus.subscribe(channel, subject, handler);
  }

  onStatus(listener: (status: BusStatus) => void): Subscription {
    return this.bus.onStatus(listener);
  }

  close(): Promise<void> {
    return this.bus.close();
  }
}

/** The bus bound to one journal: that journal's channels, and the common ones. */
class JournalBus extends PassingBus {
  readonly #journal: string;

  constructor(bus: Bus, journal: string) {
    super(bus);
    this.#journal = journal;
  }

  override request<Reply>(
    channel: RequestChannel<string, unknown, Reply>,
    subject: string,
    body: unknown,
    options: AskOptions,
  ): Promise<Outcome<Reply>> {
    return super.request(channel, this.#of(channel, subject), body, options);
  }

  override respond<Address extends string, Request, Reply>(
    channel: RequestChannel<Address, Request, Reply>,
    handler: (body: Request, context: RequestContext) => Promise<Outcome<Reply>>,
    options?: RespondOptions<Reply, Address>,
  ): Responder {
    return super.respond(channel, handler, { ...options, journal: channel.perJournal ? this.#journal : MAIN });
  }

  override publish<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    values: Parameters<Address>,
    body: Body,
  ): void {
    super.publish(channel, values, body, channel.perJournal ? this.#journal : MAIN);
  }

  override subscribe<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    subject: string,
    handler: (body: Body, subject: string, bytes: number, traceparent?: string) => void,
  ): Subscription {
    return super.subscribe(channel, this.#of(channel, subject), handler);
  }

  #of(channel: { readonly perJournal: boolean }, subject: string): string {
    return channel.perJournal ? inJournal(subject, this.#journal) : subject;
  }
}

/**
 * Routes requests about a tenant to its journal. A journal that no longer has the tenant says so, and the request is sent to the next one.
 */
export class RoutedBus extends PassingBus {
  readonly placements: KnownPlacements;
  readonly #now: () => number;
  readonly #tenantPlaces = new Map<string, number>();

  /**
   * @param placements uses the same bus, and is stopped with it
   * @param now milliseconds of a monotonic clock
   */
  constructor(bus: Bus, placements: KnownPlacements, now: () => number = processSurroundings.now) {
    super(bus);
    this.placements = placements;
    this.#now = now;
  }

  override async request<Reply>(
    channel: RequestChannel<string, unknown, Reply>,
    subject: string,
    body: unknown,
    options: AskOptions,
  ): Promise<Outcome<Reply>> {
    if (!channel.perJournal) return super.request(channel, subject, body, options);
    const began = this.#now();
    const journal = this.placements.areAllInMain ? MAIN : this.#journalOf(channel, subject);
    const outcome = await super.request(channel, inJournal(subject, journal), body, options);
    if (outcome.ok || outcome.failure.code !== 'lost' || this.#tenantOf(channel, subject) === undefined) return outcome;
    await this.placements.refresh();
    const timeoutMs = options.timeoutMs - (this.#now() - began);
    const next = this.#journalOf(channel, subject);
    if (next === journal || timeoutMs <= 0) return ELSEWHERE;
    const again = await super.request(channel, inJournal(subject, next), body, { ...options, timeoutMs });
    return !again.ok && again.failure.code === 'lost' ? ELSEWHERE : again;
  }

  override close(): Promise<void> {
    this.placements.stop();
    return super.close();
  }

  #journalOf(channel: { readonly address: string }, subject: string): string {
    const tenant = this.#tenantOf(channel, subject);
    return tenant === undefined ? MAIN : this.placements.journalOf(tenant);
  }

  #tenantOf({ address }: { readonly address: string }, subject: string): string | undefined {
    let place = this.#tenantPlaces.get(address);
    if (place === undefined) {
      place = tenantIndex(address);
      this.#tenantPlaces.set(address, place);
    }
    return tenantAt(subject, place);
  }
}

/** Nothing was done: the old journal no longer has the tenant, and the new one does not have it yet. */
const ELSEWHERE = failed('unavailable', 'the tenant is being placed in another journal');

/** The bus for one journal, whatever its tenants. */
export function busOf(bus: Bus, journal: string): Bus {
  const direct = bus instanceof RoutedBus ? bus.bus : bus;
  return journal === MAIN ? direct : new JournalBus(direct, journal);
}

/** The bus for the current journal of a tenant. */
export const busOfTenant = (bus: Bus, tenant: string): Bus => busOf(bus, bus.placements?.journalOf(tenant) ?? MAIN);
