/** The scripts that a change fires, and their parameters (Saga protocol page, 6.5). Pure. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { Json, JsonObject } from '@polyedge/query/json';
import { isObject, type ParentKind, PLURAL, TYPES, textOr, textsOf, toMessage, toProperty, toSignal } from '@polyedge/saga/elements';
import { isQuiet } from '@polyedge/saga/run-mark';

/** A parameter: a value, or a parent that is read when the run starts. */
export type Parameter =
  | { readonly name: string; readonly value: Json }
  | { readonly name: string; readonly kind: ParentKind; readonly id: string };

export interface Trigger {
  readonly path: string;
  /** Distinguishes several triggers of one change on one path. */
  readonly which: string;
  /** Triggers with the same parent keep their order. */
  readonly parent: string;
  readonly parameters: readonly Parameter[];
  /** The context in the runnable call. */
  readonly context: JsonObject;
  /** The property that fired it. */
  readonly property: string | undefined;
  readonly testData: boolean;
}

/** The largest time that a date can have, in milliseconds. */
const LATEST = 8.64e15;

/** All triggers of a change; scripts are then looked up by path. */
export function triggersOf(change: FullChange): readonly Trigger[] {
  const { state, type, action, origin } = change;
  if (state.deleted || isQuiet(origin)) return [];
  switch (type) {
    case TYPES.property:
      return ofProperty(change);
    case TYPES.signal:
      return ofSignal(state);
    case TYPES.message:
      return action === 'create' ? ofMessage(state) : [];
    case TYPES.user:
      return action === 'create' ? [ofUser(state)] : [];
    default:
      return [];
  }
}

const kindOf = (value: Json | undefined): ParentKind | undefined =>
  value === 'user' || value === 'bot' || value === 'globals' ? value : undefined;

function ofProperty({ state, origin }: FullChange): readonly Trigger[] {
  const { parent_type, parent_id, name, test_data } = state.attributes;
  const kind = kindOf(parent_type);
  if (kind === undefined || typeof name !== 'string' || typeof parent_id !== 'string') return [];
  const foreign = origin.protocol === 'saga' ? undefined : { type: origin.way === 'socket' ? 'socket' : 'rest' };
  const property = toProperty(state, foreign);
  return [
    {
      path: `/${PLURAL[kind]}/properties/${name}`,
      which: '',
      parent: parent_id,
      parameters: [
        { name: 'property', value: property },
        { name: 'parent', kind, id: parent_id },
      ],
      context: { property_id: property._id ?? null, ...(kind === 'globals' ? {} : { parent_id }) },
      property: textOr(property._id, ''),
      testData: test_data === true,
    },
  ];
}

function ofSignal({ attributes, modified }: Element): readonly Trigger[] {
  const { parent_type, parent_id, name, value, signal_id, source_creator, runnable_call_id, at } = attributes;
  const kind = kindOf(parent_type);
  // A signal that is only checked has no parent, and is never committed.
  if (kind === undefined || typeof name !== 'string' || typeof parent_id !== 'string') return [];
  const creator = isObject(source_creator) ? source_creator : {};
  const signal = toSignal({
    id: textOr(signal_id, ''),
    parentType: kind,
    parent: parent_id,
    name,
    value: value ?? null,
    creator: { type: textOr(creator.type, 'rest'), ...(typeof creator.id === 'string' ? { id: creator.id } : {}) },
    ...(typeof runnable_call_id === 'string' ? { runnableCall: runnable_call_id } : {}),
    // Other protocols may have written it.
    at: typeof at === 'number' && Math.abs(at) <= LATEST ? Math.floor(at) : modified.on,
  });
  return [
    {
      path: `/${PLURAL[kind]}/signals/${name}`,
      which: '',
      parent: parent_id,
      parameters: [
        { name: 'signal', value: signal },
        { name: 'parent', kind, id: parent_id },
      ],
      context: { signal, ...(kind === 'globals' ? {} : { parent_id }) },
      property: undefined,
      testData: false,
    },
  ];
}

function ofMessage(state: Element): readonly Trigger[] {
  const { attributes, id } = state;
  const senderKind = attributes.sender_type === 'User' ? 'user' : 'bot';
  const sender = textOr(attributes.sender_id, '');
  const testData = attributes.test_data === true;
  const recipients = [
    ...textsOf(attributes.user_ids).map((of) => ({ kind: 'user' as const, id: of })),
    ...textsOf(attributes.bot_ids).map((of) => ({ kind: 'bot' as const, id: of })),
  ].filter((recipient) => recipient.kind !== senderKind || recipient.id !== sender);
  const one = (path: string, which: string, parent: string, parameters: readonly Parameter[]): Trigger => ({
    path,
    which,
    parent,
    parameters,
    context: { message_id: id, parent_id: parent },
    property: undefined,
    testData,
  });
  const from: Parameter = { name: senderKind, kind: senderKind, id: sender };
  const title = (kind: 'user' | 'bot'): string => (kind === 'user' ? 'User' : 'Bot');
  const plain: Parameter = { name: 'message', value: toMessage(state) };
  return [
    one(`/${senderKind}s/messages/sent`, '', sender, [from, plain]),
    ...recipients.flatMap((to) => [
      one(`/${senderKind}s/messages/outgoing`, to.id, sender, [
        from,
        { name: 'recipient', kind: to.kind, id: to.id },
        { name: 'recipient_type', value: title(to.kind) },
        { name: 'message', value: toMessage(state, to.id) },
      ]),
      one(`/${to.kind}s/messages/incoming`, to.id, to.id, [
        { name: 'sender', kind: senderKind, id: sender },
        { name: 'sender_type', value: title(senderKind) },
        { name: to.kind, kind: to.kind, id: to.id },
        { name: 'message', value: toMessage(state, to.id) },
      ]),
    ]),
  ];
}

const ofUser = ({ id, attributes }: Element): Trigger => ({
  path: '/users/events/create',
  which: '',
  parent: id,
  parameters: [{ name: 'user', kind: 'user', id }],
  context: { parent_id: id },
  property: undefined,
  testData: attributes.test_data === true,
});
