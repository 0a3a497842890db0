/** Requests and replies of `graph.mutate` as text: large values are copied as text instead of being serialized again. */
import type { graphMutate, MutationOutcome } from '@polyedge/contracts/bus/graph';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import { omitGiven } from '@polyedge/contracts/given-attributes';
import { knowJson, knownJson, LARGE_TEXT } from '../core/known-json.ts';

type MutateMessage = RequestOf<typeof graphMutate>;
type MutateReply = ReplyOf<typeof graphMutate>;

/** Caches the text of a request that is alone in its message, as every large one is. */
export function knowRequest({ requests, ...head }: MutateMessage, text: string): void {
  const [request] = requests;
  if (request === undefined || requests.length > 1 || text.length < LARGE_TEXT) return;
  const before = `${JSON.stringify(head).slice(0, -1)},"requests":[`;
  if (!text.startsWith(before) || !text.endsWith(']}')) return;
  knowJson(request, text.slice(before.length, -2));
}

/** The reply without what the request gives, if that is large. */
export function withoutGiven({ requests: [request] }: MutateMessage, reply: MutateReply): MutateReply {
  const [outcome] = reply.outcomes;
  // Only one that is alone in its message has a known text.
  if (request === undefined || outcome?.ok !== true || knownJson(request) === undefined) return reply;
  return { ...reply, outcomes: [{ ...outcome, value: omitGiven(request, outcome.value) }] };
}

/** Placeholder of attributes: no text of a client contains this character. */
const MARK = '\0';
const MARK_JSON = JSON.stringify(MARK);

/** Assembles the JSON of a reply around the texts of large attributes, which the batch has made. */
export function replyJson(reply: MutateReply): string {
  const texts: string[] = [];
  const outcomes = reply.outcomes.map((outcome) => withMarks(outcome, texts));
  if (texts.length === 0) return JSON.stringify(reply);
  const [first = '', ...rest] = JSON.stringify({ ...reply, outcomes }).split(MARK_JSON);
  return first + rest.map((part, at) => `${texts[at] ?? ''}${part}`).join('');
}

function withMarks(outcome: MutationOutcome, texts: string[]): unknown {
  if (!outcome.ok) return outcome;
  const operations = outcome.value.operations.map((operation) => ({
    ...operation,
    elements: operation.elements.map((element) => {
      const json = knownJson(element.attributes);
      if (json === undefined) return element;
      texts.push(json);
      return { ...element, attributes: MARK };
    }),
  }));
  return { ...outcome, value: { ...outcome.value, operations } };
}
