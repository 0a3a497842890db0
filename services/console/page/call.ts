/** Calls to the console's own service. Failures are values: a sentence to show. */

export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly status: number; readonly message: string };

/** Called when a call was rejected because the session has ended. */
let onLoggedOut = (): void => {};
export function whenLoggedOut(listener: () => void): void {
  onLoggedOut = listener;
}

/** How long a page waits for what it shows. A write may take longer: its outcome would be unknown. */
const READ_MS = 30_000;

/** @param body a value, or JSON text that is sent unchanged */
export async function call<T>(method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: unknown, text?: string): Promise<Answer<T>> {
  const content = text ?? (body === undefined ? undefined : JSON.stringify(body));
  try {
    const response = await fetch(url, {
      method,
      credentials: 'same-origin',
      ...(method === 'GET' ? { signal: AbortSignal.timeout(READ_MS) } : {}),
      headers: { 'x-polyedge-console': '1', ...(content === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(content === undefined ? {} : { body: content }),
    });
    const read: unknown = await response.json().catch(() => undefined);
    if (response.ok) return { ok: true, value: read as T };
    if (response.status === 401 && url !== '/api/session') onLoggedOut();
    return { ok: false, status: response.status, message: messageOf(read) ?? `the console answered ${response.status}` };
  } catch {
    return { ok: false, status: 0, message: 'the console does not answer' };
  }
}

function messageOf(read: unknown): string | undefined {
  if (typeof read !== 'object' || read === null || !('error' in read)) return undefined;
  const { error } = read;
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : undefined;
}

/**
 * Opens a live stream while the page is visible; the returned function closes it. The browser reconnects by itself. A hidden tab has no stream:
 * browsers open at most six connections to one host, for all tabs together.
 * @param url called whenever the stream is opened
 */
export function listen(
  url: () => string,
  handlers: Readonly<Record<string, (data: never) => void>>,
  onState: (connected: boolean) => void,
): () => void {
  let source: EventSource | undefined;
  const begin = () => {
    const opened = new EventSource(url());
    source = opened;
    opened.onopen = () => onState(true);
    opened.onerror = () => {
      onState(false);
      // The browser does not retry a rejected stream: the session may have ended.
      if (opened.readyState === EventSource.CLOSED) void call('GET', '/api/status');
    };
    for (const [event, handler] of Object.entries(handlers)) {
      opened.addEventListener(event, (message) => handler(JSON.parse(String(message.data)) as never));
    }
  };
  const look = () => {
    source?.close();
    source = undefined;
    if (!document.hidden) begin();
  };
  document.addEventListener('visibilitychange', look);
  look();
  return () => {
    document.removeEventListener('visibilitychange', look);
    source?.close();
  };
}
