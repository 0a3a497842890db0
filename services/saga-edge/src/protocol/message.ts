/** Parses messages of clients once: the paths of Saga's sockets (protocol page, 3), their payloads and the required rights. */
import { isObject, KIND, type ParentKind, type Plural } from '@polyedge/saga/elements';
import { NOT_FOUND, type SagaError, sagaError } from '@polyedge/saga/errors';
import { type MessagePost, parseMessage } from '@polyedge/saga/message-post';
import { operatorOf, type PropertyPost, parentOf, parsePost } from '@polyedge/saga/property-post';
import { parseSignal, type SignalPost } from '@polyedge/saga/signal-post';
import { type ParsedPost, refuse } from '@polyedge/saga/work';
import { idOf, needsId, type Room, roomOf, takesId } from './joins.ts';

export type SagaMessage =
  | { readonly kind: 'authentication'; readonly accessToken: string | undefined }
  | { readonly kind: 'join' | 'leave'; readonly room: Room; readonly id: string | undefined }
  | ({ readonly kind: 'property' } & Post<PropertyPost>)
  | ({ readonly kind: 'signal' } & Post<SignalPost>)
  | ({ readonly kind: 'message' } & Post<MessagePost>)
  /** Cannot be carried out, whatever the client's rights. */
  | { readonly kind: 'unfit'; readonly error: SagaError };

/** A post. A missing right is reported before anything else that is wrong. */
interface Post<What> {
  /** Undefined if it names no parent: `post` is then rejected. */
  readonly path: string | undefined;
  readonly post: ParsedPost<What>;
}

/** @param unfit why the message cannot be anything but an authentication, if it is binary or malformed */
export function toMessage(event: string, payload: unknown, unfit: SagaError | undefined): SagaMessage {
  if (event === 'authentication') return { kind: 'authentication', accessToken: accessTokenOf(payload) };
  const [root, plural = '', what = '', operator, ...more] = event.split('/');
  const kind = root === '' && isPlural(plural) ? KIND[plural] : undefined;
  if (kind !== undefined && what === 'properties') return toProperty(kind, more.length > 0 ? '' : operator, payload, unfit);
  if (unfit !== undefined) return { kind: 'unfit', error: unfit };
  const cut = event.lastIndexOf('/');
  const act = event.slice(cut + 1);
  const room = act === 'join' || act === 'leave' ? roomOf(event.slice(0, cut)) : undefined;
  if (room !== undefined) return toJoin(act === 'leave' ? 'leave' : 'join', room, payload);
  if (kind === undefined || operator !== undefined) return { kind: 'unfit', error: NOT_FOUND };
  if (what === 'signals') return { kind: 'signal', path: pathOf(kind, 'signals', payload), post: parseSignal(kind, payload) };
  if (what !== 'message' || kind === 'globals') return { kind: 'unfit', error: NOT_FOUND };
  const post = parseMessage(kind, payload);
  return { kind: 'message', path: post.ok ? `/${kind}s/${post.value.sender}/messages` : undefined, post };
}

/** @param name of an operator, if the event has one */
function toProperty(kind: ParentKind, name: string | undefined, payload: unknown, unfit: SagaError | undefined): SagaMessage {
  const operator = name === undefined ? undefined : operatorOf(name);
  const error = unfit ?? (name !== undefined && operator === undefined ? NOT_FOUND : undefined);
  if (error !== undefined) return { kind: 'property', path: undefined, post: refuse(error) };
  return { kind: 'property', path: pathOf(kind, 'properties', payload), post: parsePost(kind, operator, payload) };
}

function toJoin(kind: 'join' | 'leave', room: Room, payload: unknown): SagaMessage {
  const id = takesId(room) ? idOf(payload) : undefined;
  return id === undefined && needsId(room) ? { kind: 'unfit', error: sagaError(400, 'the id is missing') } : { kind, room, id };
}

function pathOf(kind: ParentKind, what: string, payload: unknown): string | undefined {
  const parent = isObject(payload) ? parentOf(kind, payload) : undefined;
  if (parent?.ok !== true) return undefined;
  return kind === 'globals' ? `/globals/${what}` : `/${kind}s/${parent.value}/${what}`;
}

function accessTokenOf(payload: unknown): string | undefined {
  const token = isObject(payload) ? payload.accessToken : undefined;
  return typeof token === 'string' && token !== '' ? token : undefined;
}

const isPlural = (text: string): text is Plural => Object.hasOwn(KIND, text);
