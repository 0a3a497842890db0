/** Settings that all edges share. Each edge reads them with its own prefix: `HIRO_TRUST_PROXY`, `SAGA_TRUST_PROXY` and so on. */
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

/** The setting that `originsOf` parses. */
export const allowedOrigins = text({
  optional: true,
  doc: 'Origins that browsers may connect from, separated by commas. Default: any, since no cookie authenticates anything.',
});

/** The origins listed in a setting; undefined: any. */
export const originsOf = (list: string | undefined, separator = ','): string[] | undefined =>
  list?.split(separator).map((origin) => origin.trim());

/** Applies to all messages of a socket, keep-alives included. */
export const maxFramesPerSecond = (usual: number) =>
  integer({
    default: usual,
    min: 1,
    max: 1_000_000,
    unit: 'messages',
    doc: 'Messages one socket may send per second; above it the socket is read more slowly.',
  });

/**
 * Maximum numbers of sockets per process, in total and per address.
 * @param beyond the status that the listener refuses further sockets with
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

/** The statuses that `WsListener` refuses with, and those that Engine.IO lets `SocketIoListener` use. */
export const wsConnections = connectionBounds({ inAll: 503, ofAddress: 429 });
export const socketIoConnections = connectionBounds({ inAll: 403, ofAddress: 403 });
