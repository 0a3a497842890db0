/** What the NATS library does not offer for a connection: how much is still to be sent, and leaving a server that takes nothing. */
import { Socket } from 'node:net';
import { type NatsConnection, NatsConnectionImpl } from '@nats-io/transport-node';

/** Outgoing data of a connection, in bytes. All are 0 while there is no socket. */
export interface OutgoingBytes {
  /** Handed to the library, and not yet taken by the operating system. */
  readonly waiting: number;
  /** Taken by the operating system since the socket was opened. */
  readonly taken: number;
}

export function outgoingBytes(connection: NatsConnection): OutgoingBytes {
  if (!(connection instanceof NatsConnectionImpl)) return { waiting: 0, taken: 0 };
  const { outbound } = connection.protocol;
  const socket = socketOf(connection);
  if (socket === undefined) return { waiting: outbound.size(), taken: 0 };
  return { waiting: outbound.size() + socket.writableLength, taken: socket.bytesWritten - socket.writableLength };
}

/**
 * Ends the connection to the current server and connects again, to it or another one. What is waiting to be sent is lost. The library
 * alone would first wait until the server has taken it, which a suspended one never does.
 */
export async function leaveServer(connection: NatsConnection): Promise<void> {
  await connection.reconnect();
  if (connection instanceof NatsConnectionImpl) socketOf(connection)?.destroy();
}

function socketOf({ protocol: { transport } }: NatsConnectionImpl): Socket | undefined {
  return 'socket' in transport && transport.socket instanceof Socket ? transport.socket : undefined;
}
