/** Messages as tasks: the sender's right is checked first. */
import { INSUFFICIENT } from '@polyedge/saga/errors';
import { postMessage } from '@polyedge/saga/message-post';
import { postProperty } from '@polyedge/saga/property-post';
import { postSignal } from '@polyedge/saga/signal-post';
import { type Caller, type ParsedPost, type PostResult, refuse } from '@polyedge/saga/work';
import type { Identity } from './identity.ts';
import { join, leave } from './joining.ts';
import type { SagaMessage } from './message.ts';
import type { Rooms } from './rooms.ts';
import type { SocketWork } from './socket-questions.ts';

/** The sender of a message. */
export interface Sender {
  readonly identity: Identity;
  readonly caller: Caller;
  /** The rooms joined so far, if any. */
  readonly rooms: Rooms | undefined;
  readonly maxJoins: number;
}

export function workOf(message: Exclude<SagaMessage, { readonly kind: 'authentication' }>, sender: Sender): SocketWork {
  switch (message.kind) {
    case 'property':
      return toPost(message, sender, postProperty);
    case 'signal':
      return toPost(message, sender, postSignal);
    case 'message':
      return toPost(message, sender, postMessage);
    case 'join':
      return join(message.room, message.id, sender);
    case 'leave':
      return ended(leave(message.room, message.id, sender.rooms));
    case 'unfit':
      return ended(refuse(message.error));
  }
}

function toPost<Post>(
  { path, post }: { readonly path: string | undefined; readonly post: ParsedPost<Post> },
  { identity, caller }: Sender,
  work: (post: Post, caller: Caller) => SocketWork,
): SocketWork {
  if (path !== undefined && !identity.may('post', path)) return ended(refuse(INSUFFICIENT));
  return post.ok ? work(post.value, caller) : ended(post);
}

/** A task without questions. */
function* ended(answer: PostResult): SocketWork {
  yield* [];
  return answer;
}
