/** How a request ended. */
import type { Conversation } from './conversation.ts';

export const codeOf = (conversation: Conversation, id: number): string | undefined => {
  const outcome = conversation.outcomes.get(id);
  return outcome === undefined ? undefined : outcome.ok ? 'ok' : outcome.code;
};
