/** The documentation under `/docs`, available without login. Built on the first request, and cached. */
import { gzipSync } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { buildSite, documentOf, searchIndex } from './site.ts';

interface Made {
  readonly type: string;
  readonly plain: Buffer;
  readonly gzip: Buffer;
}

const PAGE = 'text/html; charset=utf-8';

export function docsRoutes(app: FastifyInstance, assets: { readonly style: string; readonly script: string }): void {
  let site: ReturnType<typeof buildSite> | undefined;
  const kept = new Map<string, Made>();
  const make = async (path: string): Promise<Made | undefined> => {
    const known = kept.get(path);
    if (known !== undefined) return known;
    site ??= buildSite();
    const built = await site;
    const page = built.pages.get(path);
    const text = path === '/docs/search.json' ? searchIndex(built) : page === undefined ? undefined : documentOf(built, page, assets);
    if (text === undefined) return undefined;
    const plain = Buffer.from(text);
    const made = { type: path.endsWith('.json') ? 'application/json; charset=utf-8' : PAGE, plain, gzip: gzipSync(plain) };
    kept.set(path, made);
    return made;
  };
  const answer = async (request: FastifyRequest, reply: FastifyReply) => {
    const path = (request.url.split('?')[0] ?? '').replace(/(?<=.)\/$/, '');
    const made = await make(path);
    if (made === undefined) return reply.callNotFound();
    const asGzip = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
    reply.header('content-type', made.type).header('vary', 'accept-encoding').header('cache-control', 'no-cache');
    return asGzip ? reply.header('content-encoding', 'gzip').send(made.gzip) : reply.send(made.plain);
  };
  app.get('/docs', answer);
  app.get('/docs/*', answer);
}
