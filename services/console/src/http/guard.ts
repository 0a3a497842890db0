/**
 * Protects the page: allowed addresses, no framing, and no changes by other pages.
 *
 * The cookie is `SameSite=Strict`. In addition, a call that changes something must have a header that pages of other origins cannot send
 * (CORS is not enabled), and its `Origin`, if present, must be ours.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { sendFailure } from './answer.ts';

/** The header of calls that change something. */
const OWN_HEADER = 'x-polyedge-console';

export function guardPage(app: FastifyInstance, edges: Readonly<Record<string, string>>): void {
  const headers = protectiveHeaders(edges);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers);
    if (request.method === 'GET' || request.method === 'HEAD' || isOwn(request)) return;
    await sendFailure(reply, { code: 'not-allowed', detail: 'the call does not come from this page' });
  });
}

/** Sent with every response. */
function protectiveHeaders(edges: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const addresses = Object.values(edges).flatMap((address) => {
    const { origin } = new URL(address);
    return [origin, origin.replace(/^http/, 'ws')];
  });
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    ['connect-src', "'self'", ...addresses].join(' '),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    'content-security-policy': policy.join('; '),
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  };
}

function isOwn({ headers }: Pick<FastifyRequest, 'headers'>): boolean {
  // A token in a header is never added by a browser itself.
  if (headers.authorization !== undefined && headers.cookie === undefined) return true;
  if (headers[OWN_HEADER] !== '1') return false;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return false;
  const { origin, host } = headers;
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
}
