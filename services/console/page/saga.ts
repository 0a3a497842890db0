/** Calls from the page to saga-edge, with the token of the logged-in user: REST, and one socket for events. Failures are values. */
import type { Answer } from './call.ts';
import { accessToken, baseOf, type CalledEdge, callEdge, type Method } from './edge-call.ts';

const SAGA: CalledEdge = {
  name: 'saga-edge',
  origins: 'SAGA_ALLOWED_ORIGINS',
  messageOf: (body) => {
    if (!('message' in body)) return undefined;
    const fields = 'errors' in body && typeof body.errors === 'object' && body.errors !== null ? Object.entries(body.errors) : [];
    return [String(body.message), ...fields.map(([field, problem]) => `${field}: ${textOf(problem)}`)].join('. ');
  },
};

/** One REST call. */
export const callSaga = <T>(edge: string, method: Method, path: string, body?: unknown): Promise<Answer<T>> =>
  callEdge<T>(SAGA, method, `${baseOf(edge)}${path}`, body);

const textOf = (problem: unknown): string =>
  typeof problem === 'object' && problem !== null && 'message' in problem ? String(problem.message) : String(problem);

const AGAIN_MS = 2_000;

/**
 * Joins rooms with Socket.IO's text frames and receives their events, until the returned function is called. Reconnects by itself; the
 * caller is notified of every start, to read what happened meanwhile.
 */
export function subscribeToSaga(
  edge: string,
  rooms: readonly (readonly [event: string, id: string])[],
  handlers: { readonly event: (name: string, body: unknown) => void; readonly state: (live: boolean) => void },
): () => void {
  let over = false;
  let socket: WebSocket | undefined;
  let again: number | undefined;
  const retry = () => {
    handlers.state(false);
    if (!over) again = window.setTimeout(() => void connect(), AGAIN_MS);
  };
  const connect = async () => {
    const access = await accessToken();
    if (over) return;
    if (!access.ok) {
      retry();
      return;
    }
    const opened = new WebSocket(`${baseOf(edge).replace(/^http/, 'ws')}/socket.io/?EIO=4&transport=websocket`);
    socket = opened;
    const waiting = new Set(rooms.map((_, at) => at + 1));
    opened.onopen = () => opened.send('40');
    opened.onmessage = ({ data }) => {
      const frame = String(data);
      if (frame === '2') opened.send('3');
      // A message before the namespace is joined would end the connection.
      if (frame.startsWith('40')) {
        opened.send(`420${JSON.stringify(['authentication', { accessToken: access.value }])}`);
        for (const [at, [event, id]] of rooms.entries()) opened.send(`42${at + 1}${JSON.stringify([event, id])}`);
      }
      const ack = /^43(\d+)/.exec(frame)?.[1];
      if (ack !== undefined && waiting.delete(Number(ack)) && waiting.size === 0) handlers.state(true);
      if (!frame.startsWith('42')) return;
      const [name, body] = JSON.parse(frame.slice(2)) as [string, unknown];
      handlers.event(name, body);
    };
    opened.onclose = retry;
  };
  void connect();
  return () => {
    over = true;
    clearTimeout(again);
    socket?.close();
  };
}
