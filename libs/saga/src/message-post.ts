/** Sending messages (Saga protocol page, 3.5 and 5.3). */
import { graphGet, type Operation } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import type { Json, JsonObject } from '@polyedge/query/json';
import { call, write } from '@polyedge/session/questions';
import { type Creator, isObject, TITLE, TYPES, toMessage } from './elements.ts';
import { type SagaError, sagaError, toError, unprocessable } from './errors.ts';
import { answer, type Caller, type ParsedPost, refuse, type Work } from './work.ts';

export interface MessagePost {
  readonly from: 'user' | 'bot';
  readonly sender: string;
  /** Participants, including the sender, by kind. */
  readonly users: readonly string[];
  readonly bots: readonly string[];
  readonly body: string;
  readonly attachments: readonly JsonObject[];
  readonly context: JsonObject;
}

const MAX_RECIPIENTS = 200;
const MAX_ATTACHMENTS = 100;

/** Checks a message in either of the documented generations; `bot_id` is short for `bot_ids: [bot_id]`. */
export function parseMessage(from: 'user' | 'bot', payload: unknown): ParsedPost<MessagePost> {
  if (!isObject(payload)) return refuse(sagaError(400, 'the payload is not an object'));
  const { body, user_id, bot_id, user_ids, bot_ids, context, attachments } = payload;
  const sender = from === 'user' ? user_id : bot_id;
  if (typeof sender !== 'string' || sender === '') return refuse(sagaError(400, `${from}_id is missing`));
  const users = idsOf(user_id, user_ids);
  const bots = idsOf(bot_id, bot_ids);
  if (users === undefined) return refuse(unprocessable('user_ids', 'is not a list of ids'));
  if (bots === undefined) return refuse(unprocessable('bot_ids', 'is not a list of ids'));
  if (users.length + bots.length > MAX_RECIPIENTS) return refuse(unprocessable('user_ids', `has more than ${MAX_RECIPIENTS} participants`));
  const files = attachmentsOf(attachments);
  if (files === undefined) return refuse(unprocessable('attachments', 'is not a list of url and mime_type'));
  if (typeof body !== 'string' || (body === '' && files.length === 0)) return refuse(unprocessable('body', 'is missing'));
  if (context !== undefined && context !== null && !isObject(context)) return refuse(unprocessable('context', 'is not an object'));
  return { ok: true, value: { from, sender, users, bots, body, attachments: files, context: context ?? {} } };
}

function idsOf(one: Json | undefined, many: Json | undefined): string[] | undefined {
  const ids = new Set<string>();
  if (one !== undefined && one !== null) {
    if (typeof one !== 'string') return undefined;
    if (one !== '') ids.add(one);
  }
  if (many !== undefined && many !== null) {
    if (!Array.isArray(many)) return undefined;
    for (const id of many) {
      if (typeof id !== 'string' || id === '' || id.length > 512) return undefined;
      ids.add(id);
    }
  }
  return [...ids];
}

function attachmentsOf(value: Json | undefined): JsonObject[] | undefined {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > MAX_ATTACHMENTS) return undefined;
  const files: JsonObject[] = [];
  for (const file of value) {
    if (!isObject(file) || typeof file.url !== 'string') return undefined;
    files.push({ url: file.url, mime_type: typeof file.mime_type === 'string' ? file.mime_type : '' });
  }
  return files;
}

/** Looks up all participants, stores the message and answers with it. */
export function* postMessage(post: MessagePost, caller: Caller, creator: Creator = { type: caller.way }): Work {
  const { tenant } = caller;
  const ids = [...new Set([post.sender, ...post.users, ...post.bots])];
  const taking = yield* call(graphGet, { tenant }, { ids });
  if (!taking.ok) return refuse(toError(taking.failure));
  const found = new Map(taking.value.elements.flatMap((element) => (element === null ? [] : [[element.id, element] as const])));
  const missing =
    missingOf(found, [...(post.from === 'user' ? [post.sender] : []), ...post.users], 'user') ??
    missingOf(found, [...(post.from === 'bot' ? [post.sender] : []), ...post.bots], 'bot');
  if (missing !== undefined) return refuse(missing);
  const written = yield* write('message', [createOf(post, found, caller, creator)]);
  if (!written.ok) return refuse(toError(written.failure));
  const [message] = written.value.operations[0]?.elements ?? [];
  return message === undefined ? refuse(sagaError(500)) : answer(toMessage(message));
}

const missingOf = (found: ReadonlyMap<string, Element>, ids: readonly string[], kind: 'user' | 'bot'): SagaError | undefined =>
  ids.every((id) => found.get(id)?.type === TYPES[kind]) ? undefined : sagaError(404, `${TITLE[kind]} does not exist`);

function createOf(post: MessagePost, found: ReadonlyMap<string, Element>, caller: Caller, { call: by, ...creator }: Creator): Operation {
  const { from, sender, users, bots, body, attachments, context } = post;
  const participants: Record<string, Json> = {};
  for (const [id, { type, attributes }] of found) {
    participants[id] =
      type === TYPES.user
        ? { username: attributes.username ?? '', displayname: attributes.displayname ?? attributes.username ?? '' }
        : { name: attributes.name ?? '' };
  }
  return {
    op: 'create',
    type: TYPES.message,
    id: caller.newId(),
    attributes: {
      body,
      attachments: [...attachments],
      context,
      from,
      sender_id: sender,
      sender_type: TITLE[from],
      user_ids: [...users],
      bot_ids: [...bots],
      participants,
      source_creator: { ...creator },
      ...(by === undefined ? {} : { runnable_call_id: by }),
      ...(caller.testData === true || found.get(sender)?.attributes.test_data === true ? { test_data: true } : {}),
    },
  };
}
