/** The HTTP answers of JSSocket, byte-identical to the original where probes or clients may depend on them (jssocket.py, 2198bac38; websockets 12.0). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readiness } from '@polyedge/service-kit/health';
import type { SecretCheck } from '../server-secret.ts';

/** `GET /hash` and `GET /terminate` of the original: disabled by default, and always requiring the secret. */
export interface LegacyAdmin {
  verdict(request: IncomingMessage): Promise<SecretCheck>;
  hash(pass: string): Promise<string>;
  terminate(): void;
}

const TERMINATE_MS = 1000;

export function httpAnswers({ ready, legacy }: { readonly ready: Readiness; readonly legacy: LegacyAdmin | undefined }) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const path = (request.url ?? '').split('?')[0];
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (reads && path === '/healthz') answer(request, response, 200, 'OK\n');
    else if (reads && path === '/readyz') {
      const state = ready();
      answer(request, response, state === true ? 200 : 503, `${state === true ? 'ready' : state}\n`);
    } else if (request.method !== 'GET') answer(request, response, 400, 'Only GET is answered here.\n');
    else if (legacy !== undefined && (path === '/hash' || path === '/terminate')) void administer(request, response, path, legacy);
    else {
      response.setHeader('Upgrade', 'websocket');
      answer(request, response, 426, 'This is a WebSocket endpoint: connect with a WebSocket client.\n');
    }
  };
}

async function administer(
  request: IncomingMessage,
  response: ServerResponse,
  path: '/hash' | '/terminate',
  legacy: LegacyAdmin,
): Promise<void> {
  const verdict = await legacy.verdict(request);
  if (verdict !== 'right') {
    if (verdict === 'busy') answer(request, response, 503, 'Too many secrets are being checked.\n');
    else answer(request, response, 401, 'The auth header is missing or wrong.\n');
    return;
  }
  if (path === '/terminate') {
    answer(request, response, 200, 'Terminating\n');
    setTimeout(() => legacy.terminate(), TERMINATE_MS);
    return;
  }
  const { pass } = request.headers;
  if (typeof pass !== 'string' || pass === '') answer(request, response, 500, 'The pass header is missing.\n');
  else answer(request, response, 200, await legacy.hash(pass));
}

function answer(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'Content-Type': 'text/plain',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    Connection: 'close',
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

/** The answer to a handshake for `/healthz`: the original checks the path before it checks for an upgrade. */
export const HEALTH_INSTEAD_OF_UPGRADE =
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nOK\n';

export const BUSY_INSTEAD_OF_UPGRADE =
  'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n';
