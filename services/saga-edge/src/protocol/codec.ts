import { type SagaError, sagaError } from '@polyedge/saga/errors';
import type { DecodedFrame } from '@polyedge/session/session';
import { type SagaMessage, toMessage } from './message.ts';

/** A client's message, and the number of its acknowledgement. */
export interface SagaFrame {
  readonly message: SagaMessage;
  readonly ack: number | undefined;
}

/** An outgoing message: an event with one argument, or an acknowledgement in Saga's envelope (2.1). */
export type SagaOut =
  /** `offset`: the position from which the client can resume, if it requested offsets. */
  | { readonly event: string; readonly body: unknown; readonly offset?: string }
  | { readonly ack: number; readonly status: number; readonly body: unknown };

/** Socket.IO's packets, by structure: this folder knows no library and no kit. */
export type SagaRaw =
  | {
      readonly kind: 'event';
      readonly event: string;
      readonly args: readonly unknown[];
      readonly ack?: number;
      readonly binary?: boolean;
      readonly problem?: string;
    }
  | { readonly kind: 'ack'; readonly ack: number; readonly args: readonly unknown[] };

/** Clients never acknowledge our events; every incoming packet is an event, known or not. */
export function decode(raw: SagaRaw): DecodedFrame<SagaFrame> {
  if (raw.kind === 'ack') return { ok: false, problem: 'nothing was asked' };
  const { event, args, ack } = raw;
  return { ok: true, value: { message: toMessage(event, args[0], unfitness(raw)), ack } };
}

function unfitness({ binary, problem }: Extract<SagaRaw, { kind: 'event' }>): SagaError | undefined {
  if (problem !== undefined) return sagaError(422, `the message ${problem}`);
  return binary === true ? sagaError(400, 'binary payloads are not accepted') : undefined;
}

export function encode(frame: SagaOut): SagaRaw {
  if ('event' in frame) {
    return { kind: 'event', event: frame.event, args: frame.offset === undefined ? [frame.body] : [frame.body, frame.offset] };
  }
  return { kind: 'ack', ack: frame.ack, args: [{ status_code: frame.status, body: frame.body }] };
}

/** Sends a failure as the acknowledgement, or as the `error` event to a client that requested none (2.1). */
export const refusal = ({ ack }: Pick<SagaFrame, 'ack'>, error: SagaError): SagaOut =>
  ack === undefined ? { event: 'error', body: error } : { ack, status: error.status_code, body: error };
