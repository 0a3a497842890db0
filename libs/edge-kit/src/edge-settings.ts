/** Settings that edges have alike. Each edge reads them under its own prefix: `HIRO_TRUST_PROXY`, `SAGA_TRUST_PROXY` and so on. */
import { boolean, duration, integer, text } from '@polyedge/service-kit/settings';
import { defaultLimits } from './limits.ts';

export const requestTimeoutMs = duration({
  default: 10_000,
  min: 100,
  max: 600_000,
  doc: 'How long a read may take. Writes are retried for up to 60 s while their outcome is unknown.',
});

export const trustProxy = boolean({
  default: false,
  doc: 'Whether X-Forwarded-For names the client: only behind a proxy that sets it.',
});

/** The list of `originsOf`. */
export const allowedOrigins = text({
  optional: true,
  doc: 'Origins that browsers may come from, separated by commas. Without it, any: no cookie authenticates anything.',
});

/** The origins that a setting lists; undefined: any. */
export const originsOf = (list: string | undefined, separator = ','): string[] | undefined =>
  list?.split(separator).map((origin) => origin.trim());

/** Messages of one socket, whatever they are. */
export const maxFramesPerSecond = (usual: number) =>
  integer({
    default: usual,
    min: 1,
    max: 1_000_000,
    unit: 'messages',
    doc: 'Messages one socket may send per second; above it the socket is read more slowly.',
  });

/**
 * How many sockets a process serves, in all and of one address.
 * @param beyond what one more gets: the status by which the protocol's listener refuses it
 */
const connectionBounds = (beyond: { readonly inAll: number; readonly ofAddress: number }) => ({
  maxConnections: integer({
    default: defaultLimits.maxConnections,
    min: 1,
    max: 1_000_000,
    unit: 'connections',
    doc: `Open sockets of clients of this process; one more is answered with ${beyond.inAll}.`,
  }),
  maxConnectionsPerAddress: integer({
    default: defaultLimits.maxConnectionsPerAddress,
    min: 1,
    max: 1_000_000,
    unit: 'connections',
    doc: `Open sockets of one client address; one more is answered with ${beyond.ofAddress}.`,
  }),
});

/** How `WsListener` refuses, and how Engine.IO's packets let `SocketIoListener` refuse. */
export const wsConnections = connectionBounds({ inAll: 503, ofAddress: 429 });
export const socketIoConnections = connectionBounds({ inAll: 403, ofAddress: 403 });
