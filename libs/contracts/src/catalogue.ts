/** All channels of the bus, by the name of their export. Every channel exported from `bus/*.ts` is included automatically. */
import * as accounts from './bus/accounts.ts';
import * as console from './bus/console.ts';
import * as feed from './bus/feed.ts';
import * as frames from './bus/frames.ts';
import * as graph from './bus/graph.ts';
import * as groups from './bus/groups.ts';
import * as jssocket from './bus/jssocket.ts';
import * as recovery from './bus/recovery.ts';
import * as runnables from './bus/runnables.ts';
import * as runner from './bus/runner.ts';
import * as signals from './bus/signals.ts';
import * as space from './bus/space.ts';
import type { AnyChannel } from './channel.ts';

const isChannel = (value: unknown): value is AnyChannel =>
  typeof value === 'object' && value !== null && 'kind' in value && 'address' in value && 'summary' in value;

/** In the order of their addresses. A test checks that no file of `bus/` is missing. */
export const catalogue: Readonly<Record<string, AnyChannel>> = Object.fromEntries(
  [accounts, console, feed, frames, graph, groups, jssocket, recovery, runnables, runner, signals, space]
    .flatMap((file) => Object.entries(file))
    .filter((entry): entry is [string, AnyChannel] => isChannel(entry[1]))
    .sort(([, one], [, other]) => (one.address < other.address ? -1 : 1)),
);
