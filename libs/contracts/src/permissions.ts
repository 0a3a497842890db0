/**
 * Which service requests, responds to, publishes and subscribes to what on the bus: one table, from which the NATS permissions of every
 * service are derived (`infra/nats`). A service that is not in the table gets no user.
 */
import {
  accountsAddKey,
  accountsAuthorize,
  accountsChanged,
  accountsCreate,
  accountsDelete,
  accountsFailedLogins,
  accountsFindKey,
  accountsGet,
  accountsKeys,
  accountsKeysChanged,
  accountsListKeys,
  accountsLogin,
  accountsPlaced,
  accountsPlacements,
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
import { runnerAlive, runnerRun } from './bus/runner.ts';
import { sagaSignal } from './bus/signals.ts';
import { catalogue } from './catalogue.ts';
import { pattern } from './subject.ts';

interface Addressed {
  readonly kind: 'request' | 'event' | 'signal';
  readonly address: string;
  readonly perJournal: boolean;
}

/** The use of the bus by one service. */
export interface BusUse {
  /** Sends requests on these channels. */
  readonly requests: readonly Addressed[];
  /** Responds to requests on these channels, in a queue group named after the service. */
  readonly responds: readonly Addressed[];
  /** Publishes these events and signals. */
  readonly publishes: readonly Addressed[];
  /** Subscribes to these events and signals. */
  readonly subscribes: readonly Addressed[];
}

const byKind = (domain: string, ...kinds: readonly Addressed['kind'][]): readonly Addressed[] =>
  Object.values(catalogue).filter(({ kind, address }) => kinds.includes(kind) && address.split('.')[2] === domain);

/** Needed to find the journal of a tenant. */
const places = { requests: [accountsPlacements], subscribes: [accountsPlaced] };
/** Needed to verify tokens locally. */
const identity = { requests: [accountsKeys], subscribes: [accountsKeysChanged, accountsRevoked] };
/** Needed for the live feed. */
const feed = { requests: [graphChanges, graphPosition], subscribes: [graphChanged, graphHead] };
/** Needed for consumer groups, besides Redis. */
const journal = [graphChanges, graphPartition, graphPosition, groupOpen, groupClaim, groupCommit];
const reading = [graphGet, graphQuery, graphHistory];
const logins = [accountsLogin, accountsRefresh, accountsRevoke, accountsGet];
const directory = [...logins, accountsCreate, accountsUpdate, accountsDelete];
/** The frames that clients of each protocol receive for a change. */
const frames = [hiroFrames, sagaFrames, spaceFrames, gooduncleFrames, jssocketFrames];
const apiKeys = [accountsAddKey, accountsFindKey, accountsListKeys, accountsRemoveKeys];

/** An edge of a client protocol. It may use all channels of its own domain (`hiro` for hiro-edge), over which its replicas communicate. */
function edge(
  domain: string,
  requests: readonly Addressed[],
  also: { readonly publishes?: readonly Addressed[]; readonly subscribes?: readonly Addressed[] } = {},
): BusUse {
  const own = [...byKind(domain, 'event', 'signal'), ...(also.publishes ?? [])];
  const subscribes = [connectionsWanted, connectionClose, ...(also.subscribes ?? [])];
  return {
    requests: [...places.requests, ...identity.requests, ...feed.requests, ...requests, ...byKind(domain, 'request')],
    responds: byKind(domain, 'request'),
    publishes: [serviceStatus, connectionsFound, ...own],
    subscribes: [...places.subscribes, ...identity.subscribes, ...feed.subscribes, ...subscribes, ...own],
  };
}

/** Every service, by name. */
export const busUse: Readonly<Record<string, BusUse>> = {
  'graph-store': {
    // Requests about accounts of a tenant in another journal go to that journal's replicas.
    requests: [...places.requests, graphQuery, graphMutate],
    responds: [...byKind('graph', 'request'), ...byKind('accounts', 'request'), ...byKind('groups', 'request')],
    publishes: [
      serviceStatus,
      graphChanged,
      graphHead,
      graphCommitted,
      accountsKeysChanged,
      accountsRevoked,
      accountsChanged,
      accountsPlaced,
      groupMoved,
    ],
    subscribes: [...places.subscribes, graphCommitted, accountsChanged],
  },
  'hiro-edge': edge(
    'hiro',
    [...byKind('graph', 'request'), groupOpen, groupClaim, groupCommit, groupList, ...directory, accountsAuthorize, accountsRedeem],
    {
      // Only HIRO has consumer groups; its replicas notify each other about members and partitions.
      publishes: [...byKind('groups', 'event', 'signal'), groupsFound],
      subscribes: [groupsWanted],
    },
  ),
  'saga-edge': edge('saga', [...reading, graphMutate, ...directory, ...byKind('runner', 'request')], {
    subscribes: [accountsChanged, runnerAlive],
  }),
  // Reads the journal as a group of its own and writes for scripts. It has no access to accounts. One that ends hands waiting runs over.
  'saga-runner': {
    requests: [...places.requests, graphGet, graphQuery, graphMutate, graphReadChunk, graphWriteChunk, ...journal, runnerRun],
    responds: byKind('runner', 'request'),
    publishes: [serviceStatus, runnerAlive, groupMoved, sagaSignal, groupsFound],
    subscribes: [...places.subscribes, graphHead, groupMoved, groupsWanted],
  },
  'space-edge': edge('space', [...reading, graphMutate, ...directory, ...apiKeys]),
  'gooduncle-edge': edge('gooduncle', [...reading, graphMutate, ...directory]),
  // It relays messages, not elements; only its bridge reads the feed.
  'jssocket-edge': edge('jssocket', []),
  console: {
    requests: [
      ...places.requests,
      ...identity.requests,
      ...feed.requests,
      ...reading,
      ...directory,
      ...frames,
      ...[graphMutate, groupList, groupReset, groupDelete, accountsAddKey, accountsFailedLogins, accountsRemoveKeys],
    ],
    responds: [],
    publishes: [serviceStatus, connectionsWanted, connectionClose, groupsWanted],
    subscribes: [...places.subscribes, ...identity.subscribes, ...feed.subscribes, serviceStatus, connectionsFound, groupsFound],
  },
};

/** What a service may publish and subscribe to; NATS rejects anything else. */
export interface Permissions {
  readonly publish: readonly string[];
  /** A pattern, optionally followed by a space and the only queue group that may subscribe to it. */
  readonly subscribe: readonly string[];
}

/** Throws for a service that is not in the table. */
export function permissionsOf(service: string): Permissions {
  const part = busUse[service];
  if (part === undefined) throw new Error(`${service} is not in the table of parts`);
  const patterns = (channels: readonly Addressed[]) => channels.flatMap((channel) => inAnyJournal(channel, pattern(channel.address, {})));
  const responds = patterns(part.responds);
  // If a subject names the publishing service, no service may publish under another one's name.
  const speaker = { service };
  const publishes = part.publishes.flatMap((channel) => inAnyJournal(channel, pattern(channel.address, speaker)));
  const askers = Object.entries(busUse).filter(([, { requests }]) => patterns(requests).some((asked) => responds.includes(asked)));
  return {
    // Replies go to the inboxes of exactly those services that send requests. `allow_responses` is not used: the server would keep a record
    // per request until it expires, because a reply may have many parts, and would reject replies to requests from before a reconnect.
    publish: sorted([...patterns(part.requests), ...publishes, ...askers.map(([name]) => `_INBOX.${name}.>`)]),
    subscribe: sorted([...responds.map((one) => `${one} ${service}`), ...patterns(part.subscribes), `_INBOX.${service}.>`]),
  };
}

/** A pattern for `main` and one for every other journal. */
const inAnyJournal = ({ perJournal }: Addressed, subjects: string): readonly string[] =>
  perJournal ? [subjects, `${subjects}.*`] : [subjects];

const sorted = (names: readonly string[]): readonly string[] => [...new Set(names)].sort();
