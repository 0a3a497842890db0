import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { CHUNK_BYTES, graphReadChunk, graphWriteChunk, type Operation } from '@polyedge/contracts/bus/graph';
import type { ReplyOf } from '@polyedge/contracts/channel';
import { profileId } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Json } from '@polyedge/query/json';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { visibleTo } from '../protocol/element/visibility.ts';
import { contentIdOf } from '../protocol/graph/content.ts';
import { writeProfile } from '../protocol/graph/profile.ts';
import { readElement, writeRefusalOf } from '../protocol/graph/read-element.ts';
import { bearerOf } from '../protocol/handshake.ts';
import { RequestParameters } from '../protocol/parameters.ts';
import { sendFailure, sendJson } from './answer.ts';
import { actingAs, answerOf, type GraphHttpOptions, principalOf } from './graph.ts';
import { rangeOf } from './range.ts';

const DEFAULT_TYPE = 'application/octet-stream';
const MAX_TYPE_CHARACTERS = 256;

/** Limits of an account's avatar: small, and of a type that browsers do not execute. */
const MAX_AVATAR_BYTES = 1024 * 1024;
const AVATAR_TYPE = /^image\/(?:png|jpeg|gif|webp)$/;

/** Blobs over REST, streamed in both directions: only one chunk at a time is in memory, whatever the size. */
export function contentRoutes(app: FastifyInstance, options: GraphHttpOptions): void {
  // Bodies of these paths are bytes, whatever their content type.
  void app.register(async (blobs) => {
    blobs.removeAllContentTypeParsers();
    blobs.addContentTypeParser('*', (_request, payload, taken) => taken(null, payload));
    for (const path of ['/api/graph/:version/:id/content', '/api/:version/graph/:id/content', '/:id/content']) {
      blobs.get(path, (request, reply) => guarded(request, reply, options, download));
      blobs.post(path, (request, reply) => guarded(request, reply, options, upload));
    }
    for (const path of ['/api/auth/:version/me/avatar', '/api/:version/auth/me/avatar']) {
      blobs.get(path, (request, reply) =>
        guarded(request, reply, options, (_request, _reply, who) => download(request, reply, who, profileId(who.account), options)),
      );
      blobs.put(path, (request, reply) => guarded(request, reply, options, uploadAvatar));
    }
  });
}

type BlobHandler = (
  request: FastifyRequest,
  reply: FastifyReply,
  who: Principal,
  id: string,
  options: GraphHttpOptions,
) => Promise<FastifyReply>;

async function guarded(request: FastifyRequest, reply: FastifyReply, options: GraphHttpOptions, work: BlobHandler): Promise<FastifyReply> {
  const principal = await principalOf(bearerOf(request.headers.authorization), options);
  if (!principal.ok) return sendFailure(reply, options.style, principal.failure);
  const { id = '' } = request.params as { readonly id?: string };
  return await work(request, reply, principal.value, id, options);
}

const upload: BlobHandler = async (request, reply, who, id, options) =>
  attach(request, reply, who, id, options, Number.POSITIVE_INFINITY, ({ content }) => ({ contentId: content }));

/** Answers with the size, because the Python client expects a number. */
const uploadAvatar: BlobHandler = async (request, reply, who, _id, options) => {
  const { rest, requestTimeoutMs, style } = options;
  const [mediaType = ''] = (request.headers['content-type'] ?? '').split(';');
  if (!AVATAR_TYPE.test(mediaType.trim()))
    return sendFailure(reply, style, { code: 'invalid', detail: 'an avatar is a PNG, JPEG, GIF or WebP' });
  const made = await answerOf(writeProfile('avatar', {}, who, Date.now()), who, rest, AbortSignal.timeout(requestTimeoutMs));
  if (!made.ok) return sendFailure(reply, style, made.failure);
  return attach(request, reply, who, profileId(who.account), options, MAX_AVATAR_BYTES, ({ size }) => size);
};

async function attach(
  request: FastifyRequest,
  reply: FastifyReply,
  who: Principal,
  id: string,
  options: GraphHttpOptions,
  maxBytes: number,
  bodyOf: (stored: { readonly content: string; readonly size: number }) => Json,
): Promise<FastifyReply> {
  const { rest, style } = options;
  const ended = new AbortController();
  request.raw.once('close', () => ended.abort());
  const acting = actingAs(who, ended.signal);
  // Before reading the body, checks that there is a vertex the caller may write to.
  const element = await rest.run(readElement(id, false, who), acting);
  if (!element.ok) return sendFailure(reply, style, element.failure);
  const refusal = writeRefusalOf(element.value, who);
  if (refusal !== undefined) return sendFailure(reply, style, refusal);
  const body = request.body instanceof Readable ? request.body : Readable.from([]);
  const content = randomBytes(16).toString('hex');
  const mediaType = (request.headers['content-type'] ?? DEFAULT_TYPE).slice(0, MAX_TYPE_CHARACTERS);
  const stored = await store(body, { content, mediaType, who, options, maxBytes });
  if (!stored.ok) {
    // The rest of the body is not needed.
    body.destroy();
    reply.header('connection', 'close');
    return sendFailure(reply, style, stored.failure);
  }
  const operation: Operation = {
    op: 'attach',
    target: { id },
    content,
    set: { 'ogit/_c-size': stored.value, 'ogit/_c-type': mediaType },
    before: visibleTo(who),
  };
  const attached = await rest.write({ what: 'content', operations: [operation] }, acting);
  return attached.ok ? sendJson(reply, 200, bodyOf({ content, size: stored.value })) : sendFailure(reply, style, attached.failure);
}

interface Upload {
  readonly content: string;
  readonly mediaType: string;
  readonly maxBytes: number;
  readonly who: Principal;
  readonly options: GraphHttpOptions;
}

/** Writes a body chunk by chunk, reading the next one when the previous is stored. Returns its size. */
async function store(body: Readable, { content, mediaType, maxBytes, who, options }: Upload): Promise<Outcome<number>> {
  const { tenant } = who;
  let index = 0;
  let size = 0;
  const put = async (bytes: Buffer, last: boolean): Promise<Outcome<unknown>> => {
    const chunk = { content, index, data: bytes.toString('base64'), last, mediaType };
    index += 1;
    size += bytes.length;
    const first = await options.rest.request(graphWriteChunk, { tenant }, chunk);
    // Chunk writes are idempotent.
    return first.ok || first.failure.code !== 'unavailable' ? first : await options.rest.request(graphWriteChunk, { tenant }, chunk);
  };
  let parts: Buffer[] = [];
  let waiting = 0;
  try {
    for await (const part of body) {
      if (!Buffer.isBuffer(part)) return failed('invalid', 'the body is not bytes');
      parts.push(part);
      waiting += part.length;
      if (size + waiting > maxBytes) return failed('too-large', `at most ${maxBytes} bytes`);
      while (waiting > CHUNK_BYTES) {
        const bytes = Buffer.concat(parts);
        const stored = await put(bytes.subarray(0, CHUNK_BYTES), false);
        if (!stored.ok) return stored;
        parts = [bytes.subarray(CHUNK_BYTES)];
        waiting -= CHUNK_BYTES;
      }
    }
  } catch {
    return failed('invalid', 'the body ended before it was complete');
  }
  const stored = await put(Buffer.concat(parts), true);
  return stored.ok ? done(size) : stored;
}

const download: BlobHandler = async (request, reply, who, id, options) => {
  const { rest, style } = options;
  const ended = new AbortController();
  request.raw.once('close', () => ended.abort());
  const parameters = new RequestParameters({ ...(request.query as Readonly<Record<string, unknown>>), 'ogit/_id': id });
  const found = await rest.run(contentIdOf(parameters, who), actingAs(who, ended.signal));
  if (!found.ok) return sendFailure(reply, style, found.failure);
  const content = found.value;
  const read = (index: number) => rest.request(graphReadChunk, { tenant: who.tenant }, { content, index }, ended.signal);
  const first = await read(0);
  if (!first.ok) return sendFailure(reply, style, first.failure);
  const { size, mediaType } = first.value;
  reply.header('content-type', mediaType).header('accept-ranges', 'bytes').header('etag', `"${content}"`);
  const range = rangeOf(request.headers.range, size);
  if (range === 'unsatisfiable') {
    reply.header('content-range', `bytes */${size}`);
    return sendJson(reply, 416, { error: { code: 416, message: `the content has ${size} bytes` } });
  }
  const { from, to } = range ?? { from: 0, to: size - 1 };
  reply.header('content-length', String(to - from + 1));
  if (range !== undefined) reply.code(206).header('content-range', `bytes ${from}-${to}/${size}`);
  return reply.send(Readable.from(bytesOf(from, to, read), { objectMode: false }));
};

/** The bytes from `from` to `to`, chunk by chunk as the client reads them. A failure after the start can only abort the connection. */
async function* bytesOf(
  from: number,
  to: number,
  read: (index: number) => Promise<Outcome<ReplyOf<typeof graphReadChunk>>>,
): AsyncGenerator<Buffer> {
  for (let index = Math.floor(from / CHUNK_BYTES); index * CHUNK_BYTES <= to; index += 1) {
    const chunk = await read(index);
    if (!chunk.ok) throw new Error(`a chunk of the content could not be read: ${chunk.failure.code}`);
    const begins = index * CHUNK_BYTES;
    yield Buffer.from(chunk.value.data, 'base64').subarray(Math.max(0, from - begins), to - begins + 1);
  }
}
