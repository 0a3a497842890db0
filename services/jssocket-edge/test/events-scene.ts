/** One jssocket-edge without other services. Importing it starts and ends it. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { ManualClock } from '@polyedge/edge-kit/testing/manual-clock';
import { type Page, SECRET } from './doubles.ts';
import { type LoneEdge, startEdge } from './edge.ts';
import { Socket } from './socket.ts';

export let edge: LoneEdge;
before(async () => {
  // Nothing that is tested with it may wait for a timer: the scraper gives up after two seconds without a frame, and a page reconnects.
  edge = await startEdge({}, { clock: new ManualClock() });
});
after(() => edge[Symbol.asyncDispose]());

export const url = () => `ws://127.0.0.1:${edge.port}/ws`;
export const withSecret = (secret = SECRET) => new Socket(url(), { headers: { auth: secret } }).open();
/** Nothing more comes: the answer to a further event is the very next message. */
export async function nothingElse(page: Page): Promise<void> {
  page.event('notify_client', { data: 'nothing else' });
  assert.equal(await page.next(), 'nothing else');
}
