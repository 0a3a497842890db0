/** Whether a server still holds the requests that it has answered: with their headers and queries, which may have tokens. */
import type { IncomingMessage, Server } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { until } from '@polyedge/testkit/until';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void; // what that flag adds

/** Follows the requests of a server from now on. @returns waits until all of them are collected; tells how many there were */
export function heldRequests(server: Server): () => Promise<number> {
  const requests: WeakRef<IncomingMessage>[] = [];
  for (const event of ['request', 'upgrade']) server.on(event, (request: IncomingMessage) => requests.push(new WeakRef(request)));
  return async () => {
    await until('all requests are collected', () => {
      collect();
      return requests.every((request) => request.deref() === undefined);
    });
    return requests.length;
  };
}
