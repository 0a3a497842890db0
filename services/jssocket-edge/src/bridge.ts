/**
 * The only path from the graph to JSSocket: changes become notifications of a group. Every edge has its own watch and notifies the members
 * connected to it, so that a client is notified of a change once, however many edges there are. Changes that occur while an edge has no
 * feed are not delivered later: JSSocket has no position to resume from.
 */
import type { Feed, Watch } from '@polyedge/edge-kit/feed/watch';
import { type Wheel, WheelTimer } from '@polyedge/edge-kit/wheel';
import type { Log } from '@polyedge/service-kit/log';
import { type BridgeRule, notificationsOf } from './bridge-rules.ts';

const AGAIN_MS = 1000;

export interface BridgeOptions {
  readonly rules: readonly BridgeRule[];
  readonly tenant: string;
  readonly feed: Feed;
  readonly wheel: Wheel;
  readonly log: Log;
  notify(group: string, payload: string): void;
}

/** Watches every type that has a rule, until it is stopped. `begun` becomes true when all watches are live. */
export function startBridge({ rules, tenant, feed, wheel, log, notify }: BridgeOptions): { stop(): void; readonly begun: boolean } {
  const types = [...new Set(rules.map(({ type }) => type))];
  const watches = new Map<string, Watch>();
  const liveTypes = new Set<string>();
  let stopped = false;
  const watch = (type: string): void => {
    if (stopped) return;
    const own = rules.filter((rule) => rule.type === type);
    const handler = {
      live: () => void liveTypes.add(type),
      change: (change: Parameters<typeof notificationsOf>[1]) => {
        for (const { group, payload } of notificationsOf(own, change)) notify(group, payload);
      },
      lost: () => {
        log.warn('the bridge lost the changes of a type and starts again from now', { type });
        wheel.set(new WheelTimer(() => watch(type)), AGAIN_MS);
      },
    };
    watches.set(type, feed.watch({ tenant, type }, handler));
  };
  for (const type of types) watch(type);
  return {
    get begun() {
      return liveTypes.size === types.length;
    },
    stop: () => {
      stopped = true;
      for (const one of watches.values()) one.close();
    },
  };
}
