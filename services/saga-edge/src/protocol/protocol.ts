/**
 * Saga as the driver sees it. Writes of one socket take effect in the order in which they arrived; a change reaches its writer before the
 * acknowledgement; a join is acknowledged once every later change will be delivered.
 */
import type { Protocol } from '@polyedge/session/session';
import { decode, encode, type SagaFrame, type SagaOut, type SagaRaw } from './codec.ts';
import { openSaga } from './session.ts';
import type { SagaSettings } from './session-settings.ts';
import { translate } from './translate.ts';

export function sagaProtocol(settings: SagaSettings): Protocol<SagaRaw, SagaFrame, SagaOut> {
  return { decode, encode, translate, open: (opening) => openSaga(opening, settings) };
}
