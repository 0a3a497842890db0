/** Calls to the console's own service. Failures are values: a sentence to show. */

export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly status: number; readonly message: string };

/** Told when a call was refused because the session is over. */
let onLoggedOut = (): void => {};
export function whenLoggedOut(listener: () => void): void {
  onLoggedOut = listener;
}

/** @param body a value, or JSON text that is sent as it is */
export async function call<T>(method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: unknown, text?: string): Promise<Answer<T>> {
  const content = text ?? (body === undefined ? undefined : JSON.stringify(body));
  try {
    const response = await fetch(url, {
      method,
      credentials: 'same-origin',
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
 * A live stream while the page is in sight; the result ends it. The browser comes back by itself when it breaks. A tab that is hidden has none:
 * a browser opens six connections to one host, for all its tabs.
 * @param url asked for each time that the stream begins
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
      // A stream that was refused is not tried again by the browser: the session may be over.
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
