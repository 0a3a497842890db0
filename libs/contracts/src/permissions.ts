/**
 * Who asks, answers, tells and hears what on the bus: one table, from which the NATS permissions of every service follow
 * (`infra/nats`). A service that is not in the table gets no user.
 */
import {
  accountsAddKey,
  accountsAuthorize,
  accountsChanged,
  accountsCreate,
  accountsDelete,
  accountsFindKey,
  accountsGet,
  accountsKeys,
  accountsKeysChanged,
  accountsListKeys,
  accountsLogin,
  accountsRedeem,
  accountsRefresh,
  accountsRemoveKeys,
  accountsRevoke,
  accountsRevoked,
  accountsUpdate,
} from './bus/accounts.ts';
import { connectionClose, connectionsFound, connectionsWanted, groupsFound, groupsWanted, serviceStatus } from './bus/console.ts';
import { graphChanged, graphChanges, graphCommitted, graphHead, graphPartition, graphPosition } from './bus/feed.ts';
import { gooduncleFrames, hiroFrames, jssocketFrames, sagaFrames, spaceFrames } from './bus/frames.ts';
import { graphGet, graphHistory, graphMutate, graphQuery, graphReadChunk, graphWriteChunk } from './bus/graph.ts';
import { groupClaim, groupCommit, groupDelete, groupList, groupMoved, groupOpen, groupReset } from './bus/groups.ts';
import { runnerAlive } from './bus/runner.ts';
import { sagaSignal } from './bus/signals.ts';
import { catalogue } from './catalogue.ts';
import { pattern } from './subject.ts';

interface Addressed {
  readonly kind: 'request' | 'event' | 'signal';
  readonly address: string;
}

/** What one service does on the bus. */
export interface Part {
  /** Sends requests of these channels, and gets their replies. */
  readonly asks: readonly Addressed[];
  /** Takes requests of these channels in the queue group of its own name. */
  readonly answers: readonly Addressed[];
  /** Publishes events and signals of these channels. */
  readonly tells: readonly Addressed[];
  /** Subscribes to events and signals of these channels. */
  readonly hears: readonly Addressed[];
}

const byKind = (domain: string, ...kinds: readonly Addressed['kind'][]): readonly Addressed[] =>
  Object.values(catalogue).filter(({ kind, address }) => kinds.includes(kind) && address.split('.')[2] === domain);

/** What every edge needs to verify tokens by itself. */
const identity = { asks: [accountsKeys], hears: [accountsKeysChanged, accountsRevoked] };
/** What the live feed needs. */
const feed = { asks: [graphChanges, graphPosition], hears: [graphChanged, graphHead] };
/** What a consumer group needs besides Redis. */
const journal = [graphChanges, graphPartition, graphPosition, groupOpen, groupClaim, groupCommit];
const reading = [graphGet, graphQuery, graphHistory];
const logins = [accountsLogin, accountsRefresh, accountsRevoke, accountsGet];
const directory = [...logins, accountsCreate, accountsUpdate, accountsDelete];
/** What clients of each protocol are shown of a change. */
const frames = [hiroFrames, sagaFrames, spaceFrames, gooduncleFrames, jssocketFrames];
const apiKeys = [accountsAddKey, accountsFindKey, accountsListKeys, accountsRemoveKeys];

/** An edge of a client protocol. All channels of its own domain (`hiro` for hiro-edge) are its own: its replicas speak among themselves there. */
function edge(
  domain: string,
  asks: readonly Addressed[],
  also: { readonly tells?: readonly Addressed[]; readonly hears?: readonly Addressed[] } = {},
): Part {
  const own = [...byKind(domain, 'event', 'signal'), ...(also.tells ?? [])];
  const hears = [connectionsWanted, connectionClose, ...(also.hears ?? [])];
  return {
    asks: [...identity.asks, ...feed.asks, ...asks, ...byKind(domain, 'request')],
    answers: byKind(domain, 'request'),
    tells: [serviceStatus, connectionsFound, ...own],
    hears: [...identity.hears, ...feed.hears, ...hears, ...own],
  };
}

/** Every service, by name. */
export const parts: Readonly<Record<string, Part>> = {
  'graph-store': {
    asks: [],
    answers: [...byKind('graph', 'request'), ...byKind('accounts', 'request'), ...byKind('groups', 'request')],
    tells: [serviceStatus, graphChanged, graphHead, graphCommitted, accountsKeysChanged, accountsRevoked, accountsChanged, groupMoved],
    hears: [graphCommitted],
  },
  'hiro-edge': edge(
    'hiro',
    [...byKind('graph', 'request'), groupOpen, groupClaim, groupCommit, groupList, ...directory, accountsAuthorize, accountsRedeem],
    {
      // Groups are HIRO's: its replicas tell each other who joined and what moved.
      tells: [...byKind('groups', 'event', 'signal'), groupsFound],
      hears: [groupsWanted],
    },
  ),
  'saga-edge': edge('saga', [...reading, graphMutate, ...directory, ...byKind('runner', 'request')], {
    hears: [accountsChanged, runnerAlive],
  }),
  // Reads the journal as a group of its own, and writes what scripts write. It knows no accounts.
  'saga-runner': {
    asks: [graphGet, graphQuery, graphMutate, graphReadChunk, graphWriteChunk, ...journal],
    answers: byKind('runner', 'request'),
    tells: [serviceStatus, runnerAlive, groupMoved, sagaSignal, groupsFound],
    hears: [graphHead, groupMoved, groupsWanted],
  },
  'space-edge': edge('space', [...reading, graphMutate, ...directory, ...apiKeys]),
  'gooduncle-edge': edge('gooduncle', [...reading, graphMutate, ...directory]),
  // It carries messages, not elements; its bridge only listens to the feed.
  'jssocket-edge': edge('jssocket', []),
  console: {
    asks: [
      ...identity.asks,
      ...feed.asks,
      ...reading,
      ...directory,
      ...frames,
      ...[graphMutate, groupList, groupReset, groupDelete, accountsAddKey, accountsRemoveKeys],
    ],
    answers: [],
    tells: [serviceStatus, connectionsWanted, connectionClose, groupsWanted],
    hears: [...identity.hears, ...feed.hears, serviceStatus, connectionsFound, groupsFound],
  },
};

/** What a service may publish and subscribe to; anything else is refused by NATS. */
export interface Permissions {
  readonly publish: readonly string[];
  /** A pattern, or a pattern, a space and the queue group in which alone it may be subscribed to. */
  readonly subscribe: readonly string[];
}

/** Throws on a name that is not in the table. */
export function permissionsOf(service: string): Permissions {
  const part = parts[service];
  if (part === undefined) throw new Error(`${service} is not in the table of parts`);
  const patterns = (channels: readonly Addressed[]) => channels.map(({ address }) => pattern(address, {}));
  const answers = patterns(part.answers);
  // Where a subject names the service that speaks, nobody speaks in another one's name.
  const speaker = { service };
  const tells = part.tells.map(({ address }) => pattern(address, speaker));
  const askers = Object.entries(parts).filter(([, { asks }]) => patterns(asks).some((asked) => answers.includes(asked)));
  return {
    // Replies go to the inboxes of exactly those services that ask. Not `allow_responses`: the server would keep a record per request until
    // it expires, since a reply may come in many parts, and would refuse the replies to what was asked before a reconnect.
    publish: sorted([...patterns(part.asks), ...tells, ...askers.map(([name]) => `_INBOX.${name}.>`)]),
    subscribe: sorted([...answers.map((one) => `${one} ${service}`), ...patterns(part.hears), `_INBOX.${service}.>`]),
  };
}

const sorted = (names: readonly string[]): readonly string[] => [...new Set(names)].sort();
