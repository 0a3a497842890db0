/** Shows the console what a change looks like to the clients of this edge, using the same translation. */
import { graphChanges } from '@polyedge/contracts/bus/feed';
import { MAX_FRAME_CHARACTERS, type ShownFrame } from '@polyedge/contracts/bus/frames';
import { type FullChange, isFull } from '@polyedge/contracts/change';
import type { RequestChannel } from '@polyedge/contracts/channel';
import { done, failed } from '@polyedge/contracts/errors';
import type { Bus, Responder } from '@polyedge/service-kit/bus';
import { busOfTenant } from '@polyedge/service-kit/journal-bus';

const TIMEOUT_MS = 5000;
const MAX_TO = 256;

/** The edge's `frames` channel. */
type FramesChannel<Address extends string> = RequestChannel<
  Address,
  { readonly epoch: string; readonly seq: number },
  { readonly frames: readonly ShownFrame[] }
>;

/** @param show returns every distinct frame for the change as text, and which clients receive it; pure */
export function publishFrames<Address extends string>(
  bus: Bus,
  channel: FramesChannel<Address>,
  show: (change: FullChange) => readonly Omit<ShownFrame, 'cut'>[],
): Responder {
  return bus.respond(channel, async ({ epoch, seq }, { tenant }) => {
    const journal = busOfTenant(bus, tenant ?? '');
    const found = await journal.request(graphChanges, graphChanges.subject({}), { epoch, seqs: [seq] }, { timeoutMs: TIMEOUT_MS });
    if (!found.ok) return found;
    const change = found.value.changes.find((one) => one.seq === seq);
    if (change === undefined || !isFull(change) || change.tenant !== tenant) return failed('not-found', 'there is no such change');
    return done({ frames: show(change).map(({ to, text }) => cut(to, text)) });
  });
}

const cut = (to: string, text: string): ShownFrame => ({
  to: to.slice(0, MAX_TO),
  text: text.slice(0, MAX_FRAME_CHARACTERS),
  ...(text.length > MAX_FRAME_CHARACTERS ? { cut: true } : {}),
});
