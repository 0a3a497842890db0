/** Framing that packs a text for many consecutive sockets once: a notification to a group is one buffer, however many members there are. */

import type { Framing } from '@polyedge/edge-kit/transport/wire';
import type { WsPacket, WsRaw } from '@polyedge/edge-kit/transport/ws-frames';

/** A longer text is packed each time instead of cached. */
const KEEP_LENGTH = 256 * 1024;

export function packOnce(framing: Framing<WsRaw, WsPacket>): Framing<WsRaw, WsPacket> {
  let text: string | undefined;
  let packet: WsPacket | undefined;
  return {
    pack: (raw) => {
      // All receivers get the same string object, so the comparison is cheap.
      if (packet !== undefined && raw === text) return packet;
      const made = framing.pack(raw);
      const keeps = typeof raw === 'string' && raw.length <= KEEP_LENGTH;
      text = keeps ? raw : undefined;
      packet = keeps ? made : undefined;
      return made;
    },
    ping: (payload) => framing.ping(payload),
  };
}
