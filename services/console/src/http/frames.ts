/** The frames that clients of each protocol receive for a change, requested from an edge of that protocol, so they are exact. */
import { gooduncleFrames, hiroFrames, jssocketFrames, type ShownFrame, sagaFrames, spaceFrames } from '@polyedge/contracts/bus/frames';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Bus } from '@polyedge/service-kit/bus';

const CHANNELS = { hiro: hiroFrames, saga: sagaFrames, space: spaceFrames, gooduncle: gooduncleFrames, jssocket: jssocketFrames } as const;
/** An edge that is not running is detected at once; one that hangs is not waited for longer. */
const TIMEOUT_MS = 3_000;

export interface ProtocolFrames {
  readonly protocol: string;
  readonly frames: readonly ShownFrame[];
  /** Why there is nothing to show. */
  readonly problem?: string;
}

/** Omits protocols without an edge here. The caller checks who may see the change. */
export async function framesOf(bus: Bus, tenant: string, epoch: string, seq: number): Promise<Outcome<unknown>> {
  const requests = Object.entries(CHANNELS).map(async ([protocol, channel]): Promise<ProtocolFrames | undefined> => {
    const reply = await bus.request(channel, channel.subject({ tenant }), { epoch, seq }, { timeoutMs: TIMEOUT_MS });
    if (reply.ok) return { protocol, frames: reply.value.frames };
    const { code, detail } = reply.failure;
    return code === 'unavailable' ? undefined : { protocol, frames: [], problem: detail ?? code };
  });
  const protocols = (await Promise.all(requests)).filter((one) => one !== undefined);
  return { ok: true, value: { protocols } };
}
