/**
 * The page, built once when the service starts: one script and one style sheet, held in memory under names that contain a hash of their
 * content. It takes a fraction of a second, so there is no build step and no outdated version.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build, stop } from 'esbuild';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

interface Asset {
  readonly type: string;
  readonly plain: Buffer;
  readonly gzip: Buffer;
  readonly brotli: Buffer;
}

export interface Page {
  readonly html: Asset;
  /** By path. */
  readonly assets: ReadonlyMap<string, Asset>;
  /** Total size of the page for a browser with gzip, without the documentation. */
  readonly gzipBytes: number;
  /** Paths for the pages of the documentation. */
  readonly docs: { readonly style: string; readonly script: string };
}

const folder = fileURLToPath(new URL('../page', import.meta.url));

export async function buildPage(): Promise<Page> {
  const { outputFiles } = await build({
    entryPoints: { app: `${folder}/main.tsx`, docs: `${folder}/docs.ts` },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    loader: { '.css': 'css' },
    outdir: '/',
    write: false,
    logLevel: 'silent',
    tsconfigRaw: '{}',
  });
  await stop();
  const assets = new Map<string, Asset>();
  const paths: Record<string, string> = {};
  for (const { path, contents } of outputFiles) {
    const kind = path.endsWith('.css') ? 'css' : 'js';
    const name = `/assets/${createHash('sha256').update(contents).digest('hex').slice(0, 16)}.${kind}`;
    const of = path.replace(/^.*\//, '');
    paths[of] = name;
    assets.set(name, assetOf(kind === 'css' ? 'text/css; charset=utf-8' : 'text/javascript; charset=utf-8', Buffer.from(contents)));
  }
  const template = await readFile(`${folder}/index.html`, 'utf8');
  const text = template.replace('{{style}}', paths['app.css'] ?? '').replace('{{script}}', paths['app.js'] ?? '');
  const html = assetOf('text/html; charset=utf-8', Buffer.from(text));
  const docs = { style: paths['app.css'] ?? '', script: paths['docs.js'] ?? '' };
  const loaded = [html, ...[...assets].flatMap(([path, asset]) => (path === docs.script ? [] : [asset]))];
  return { html, assets, docs, gzipBytes: loaded.reduce((sum, { gzip }) => sum + gzip.length, 0) };
}

const assetOf = (type: string, plain: Buffer): Asset => ({
  type,
  plain,
  gzip: gzipSync(plain, { level: 9 }),
  brotli: brotliCompressSync(plain),
});

/** Serves the page under each of its addresses, and its assets with unlimited caching. */
export function pageRoutes(app: FastifyInstance, { html, assets }: Page, views: readonly string[]): void {
  for (const path of ['/', ...views.map((view) => `/${view}`)]) {
    app.get(path, async (request, reply) => send(request, reply.header('cache-control', 'no-cache'), html));
  }
  app.get('/assets/:name', async (request, reply) => {
    const asset = assets.get(request.url.split('?')[0] ?? '');
    if (asset === undefined) return reply.code(404).send();
    return send(request, reply.header('cache-control', 'public, max-age=31536000, immutable'), asset);
  });
}

function send(request: FastifyRequest, reply: FastifyReply, { type, plain, gzip, brotli }: Asset): FastifyReply {
  const accepted = String(request.headers['accept-encoding'] ?? '');
  reply.header('content-type', type).header('vary', 'accept-encoding');
  if (/\bbr\b/.test(accepted)) return reply.header('content-encoding', 'br').send(brotli);
  if (/\bgzip\b/.test(accepted)) return reply.header('content-encoding', 'gzip').send(gzip);
  return reply.send(plain);
}
