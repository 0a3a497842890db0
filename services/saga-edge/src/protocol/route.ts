/** Which step a message of the client begins with: the paths of Saga's sockets (protocol page, 3) and the rights that they need. */

import { isObject, KIND, type Plural } from '@polyedge/saga/elements';
import { INSUFFICIENT, NOT_FOUND } from '@polyedge/saga/errors';
import { parseMessage, postMessage } from '@polyedge/saga/message-post';
import { operatorOf, parentOf, parsePost, postProperty } from '@polyedge/saga/property-post';
import { postSignal } from '@polyedge/saga/signal-post';
import { type Caller, fail, type Step } from '@polyedge/saga/step';
import type { SagaFrame } from './codec.ts';

/** Property posts, messages and signals. `mayPost` tells whether the caller may post to a path. */
export function stepOf({ event, payload }: Pick<SagaFrame, 'event' | 'payload'>, caller: Caller, mayPost: (path: string) => boolean): Step {
  const [, plural = '', what = '', operatorName, ...more] = event.split('/');
  if (!event.startsWith('/') || !isPlural(plural) || more.length > 0) return fail(NOT_FOUND);
  const kind = KIND[plural];
  switch (what) {
    case 'properties': {
      const operator = operatorName === undefined ? undefined : operatorOf(operatorName);
      if (operatorName !== undefined && operator === undefined) return fail(NOT_FOUND);
      const parent = isObject(payload) ? parentOf(kind, payload) : undefined;
      if (parent?.ok === true && !mayPost(below(plural, parent.value, 'properties'))) return fail(INSUFFICIENT);
      const post = parsePost(kind, operator, payload);
      return post.ok ? postProperty(post.value, caller) : fail(post.error);
    }
    case 'signals': {
      if (operatorName !== undefined) return fail(NOT_FOUND);
      const parent = isObject(payload) ? parentOf(kind, payload) : undefined;
      if (parent?.ok === true && !mayPost(below(plural, parent.value, 'signals'))) return fail(INSUFFICIENT);
      return postSignal(kind, payload, caller);
    }
    case 'message': {
      if (operatorName !== undefined || kind === 'globals') return fail(NOT_FOUND);
      const post = parseMessage(kind, payload);
      if (!post.ok) return fail(post.error);
      if (!mayPost(`/${plural}/${post.value.sender}/messages`)) return fail(INSUFFICIENT);
      return postMessage(post.value, caller);
    }
    default:
      return fail(NOT_FOUND);
  }
}

/** Property posts that follow each other may travel together. */
export const isPropertyPost = (event: string): boolean => /^\/(users|bots|globals)\/properties(\/|$)/.test(event);

const isPlural = (text: string): text is Plural => Object.hasOwn(KIND, text);
const below = (plural: Plural, parent: string, what: string): string =>
  plural === 'globals' ? `/globals/${what}` : `/${plural}/${parent}/${what}`;
