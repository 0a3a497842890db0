/** Saga's edge, asked by the page itself with the token of who is logged in: REST, and one socket for what happens. Failures are values. */
import type { Answer } from './call.ts';
import { accessToken } from './token.ts';

/** One REST call. Saga's failures have a `message`. */
export async function askSaga<T>(
  edge: string,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Answer<T>> {
  const access = await accessToken();
  if (!access.ok) return access;
  try {
    const response = await fetch(`${edge.replace(/\/$/, '')}${path}`, {
      method,
      headers: { authorization: `Bearer ${access.value}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const read: unknown = await response.json().catch(() => undefined);
    if (response.ok) return { ok: true, value: read as T };
    return { ok: false, status: response.status, message: messageOf(read) ?? `saga-edge answered ${response.status}` };
  } catch {
    return { ok: false, status: 0, message: 'saga-edge does not answer this page: see SAGA_ALLOWED_ORIGINS and CONSOLE_EDGES' };
  }
}

function messageOf(read: unknown): string | undefined {
  if (typeof read !== 'object' || read === null || !('message' in read)) return undefined;
  const fields = 'errors' in read && typeof read.errors === 'object' && read.errors !== null ? Object.entries(read.errors) : [];
  return [String(read.message), ...fields.map(([field, problem]) => `${field}: ${textOf(problem)}`)].join('. ');
}

const textOf = (problem: unknown): string =>
  typeof problem === 'object' && problem !== null && 'message' in problem ? String(problem.message) : String(problem);

const AGAIN_MS = 2_000;

/**
 * Joins rooms over Socket.IO's text frames and hears their events, until the result is called. Comes back by itself when it breaks; what
 * happened meanwhile is for the caller to read again, which is why it is told of every beginning.
 */
export function hearSaga(
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
    const opened = new WebSocket(`${edge.replace(/^http/, 'ws').replace(/\/$/, '')}/socket.io/?EIO=4&transport=websocket`);
    socket = opened;
    const waiting = new Set(rooms.map((_, at) => at + 1));
    opened.onopen = () => opened.send('40');
    opened.onmessage = ({ data }) => {
      const frame = String(data);
      if (frame === '2') opened.send('3');
      // A message that comes before the namespace is entered ends the connection.
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
