/** The planted mistakes (`planted.ts`) of an edge: its bus, feed or protocol with one of them. */
import { graphChanges, graphHead } from '@polyedge/contracts/bus/feed';
import { graphMutate } from '@polyedge/contracts/bus/graph';
import type { FullChange } from '@polyedge/contracts/change';
import { operationId, operationTime } from '@polyedge/contracts/operation-id';
import type { Feed, WatchHandler } from '@polyedge/edge-kit/feed/watch';
import type { Bus } from '@polyedge/service-kit/bus';
import type { NatsModelBus } from '@polyedge/simulation/nats-model-bus';
import type { Effect, Protocol } from '../../libs/session/src/session.ts';
import type { Surroundings } from './surroundings.ts';

/** The bus of an edge with one of the planted mistakes. */
export function mistakenBus(bus: NatsModelBus, { bug, chance }: Surroundings): Bus {
  const isOfFeed = bug === 'heads-without-chain' || bug === 'deliver-before-the-gap-is-filled';
  if (!isOfFeed && bug !== 'retry-without-the-operation-id') return bus;
  let next: number | undefined;
  return {
    get status() {
      return bus.status;
    },
    respond: (channel, handler, options) => bus.respond(channel, handler, options),
    publish: (channel, values, body, journal) => bus.publish(channel, values, body, journal),
    publishText: (subject, text) => bus.publishText(subject, text),
    flush: (ms) => bus.flush(ms),
    close: () => bus.close(),
    onStatus: (listener) => (bug === 'heads-without-chain' ? { unsubscribe: () => {} } : bus.onStatus(listener)),
    subscribe: (channel, subject, handler) =>
      bus.subscribe(channel, subject, (body, on, bytes) => {
        if (channel.address !== graphHead.address || bug !== 'heads-without-chain') return handler(body, on, bytes);
        // Each head claims to follow the last one.
        const { from, to, keys } = body as { readonly from: number; readonly to: number; readonly keys: readonly number[][] };
        const missed = Math.max(0, from - (next ?? from));
        next = Math.max(next ?? 0, to + 1);
        handler({ ...body, from: from - missed, keys: [...Array.from({ length: missed }, () => []), ...keys] }, on, bytes);
      }),
    request: async (channel, subject, body, options) => {
      if (bug === 'retry-without-the-operation-id' && channel.address === graphMutate.address) {
        const { requests, ...rest } = body as { readonly requests: readonly { readonly operationId: string }[] };
        const renamed = requests.map((request) => ({
          ...request,
          operationId: operationId(
            operationTime(request.operationId),
            Uint8Array.from({ length: 10 }, () => chance.below(256)),
          ),
        }));
        return await bus.request(channel, subject, { ...rest, requests: renamed }, options);
      }
      const outcome = await bus.request(channel, subject, body, options);
      if (bug !== 'deliver-before-the-gap-is-filled' || channel.address !== graphChanges.address || !outcome.ok) return outcome;
      const reply = outcome.value as { readonly changes: readonly FullChange[] };
      return chance.percent(50) ? { ok: true, value: { ...outcome.value, changes: reply.changes.slice(1) } } : outcome;
    },
  };
}

/** The feed of an edge with one of the planted mistakes. */
export function mistakenFeed(feed: Feed, world: Surroundings): Feed {
  if (world.bug === 'dedupe-by-tick') return forgetful(feed, world);
  if (world.bug !== 'answers-before-their-events') return feed;
  return {
    watch: (interest, handler) => feed.watch(interest, handler),
    whenDelivered: (_tenant, _epoch, _seq, _timeoutMs, callback) => {
      callback(true);
      return { close: () => {} };
    },
  };
}

/** A protocol that does not hold events back until the answer. */
export function mistakenProtocol<Raw, In, Out>(protocol: Protocol<Raw, In, Out>, { bug }: Surroundings): Protocol<Raw, In, Out> {
  if (bug !== 'events-before-their-answer') return protocol;
  const unordered = (effects: readonly Effect<Out>[]): readonly Effect<Out>[] =>
    effects.map((effect) => (effect.do === 'mutate' ? { ...effect, own: 'any' } : effect));
  return {
    ...protocol,
    open: (opening) => {
      const [session, effects] = protocol.open(opening);
      return [{ handle: (input, at) => unordered(session.handle(input, at)) }, effects];
    },
  };
}

/** A feed that sometimes repeats the changes of the turn before. */
function forgetful(feed: Feed, { chance }: Surroundings): Feed {
  return {
    watch: (interest, handler) => {
      let last: FullChange | undefined;
      const again: WatchHandler = {
        live: (seq, epoch) => handler.live(seq, epoch),
        lost: (failure) => handler.lost(failure),
        waits: (seq) => handler.waits?.(seq),
        change: (change) => {
          if (last !== undefined && chance.percent(10)) handler.change(last);
          last = change;
          handler.change(change);
        },
      };
      return feed.watch(interest, again);
    },
    whenDelivered: (tenant, epoch, seq, timeoutMs, callback) => feed.whenDelivered(tenant, epoch, seq, timeoutMs, callback),
  };
}
