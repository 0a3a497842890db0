/** The scripts that a change fires, and their parameters (Saga protocol page, 6.5). Pure. */
import type { FullChange } from '@polyedge/contracts/change';
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

/** Whether a script may have the path. */
type HasScripts = (path: string) => boolean;

/** By type, which other protocols choose: not an object, which has members that nobody gave it. */
const MAKERS: ReadonlyMap<string, (change: FullChange, hasScripts: HasScripts) => readonly Trigger[]> = new Map([
  [TYPES.property, ofProperty],
  [TYPES.signal, ofSignal],
  [TYPES.message, (change, hasScripts) => (change.action === 'create' ? ofMessage(change, hasScripts) : [])],
  [TYPES.user, (change, hasScripts) => (change.action === 'create' ? ofUser(change, hasScripts) : [])],
]);

/** Whether changes of its type fire scripts: for the others, no more of a change than its head is parsed. */
export const mayFire = ({ type }: FullChange): boolean => MAKERS.has(type);

/** The triggers of a change on paths that have scripts; parameters are made for those only. */
export function triggersOf(change: FullChange, hasScripts: HasScripts = () => true): readonly Trigger[] {
  const make = MAKERS.get(change.type);
  if (make === undefined || change.state.deleted || isQuiet(change.origin)) return [];
  return make(change, hasScripts);
}

const kindOf = (value: Json | undefined): ParentKind | undefined =>
  value === 'user' || value === 'bot' || value === 'globals' ? value : undefined;

function ofProperty({ state, origin }: FullChange, hasScripts: HasScripts): readonly Trigger[] {
  const { parent_type, parent_id, name, test_data } = state.attributes;
  const kind = kindOf(parent_type);
  if (kind === undefined || typeof name !== 'string' || typeof parent_id !== 'string') return [];
  const path = `/${PLURAL[kind]}/properties/${name}`;
  if (!hasScripts(path)) return [];
  const foreign = origin.protocol === 'saga' ? undefined : { type: origin.way === 'socket' ? 'socket' : 'rest' };
  const property = toProperty(state, foreign);
  return [
    {
      path,
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

function ofSignal({ state: { attributes, modified } }: FullChange, hasScripts: HasScripts): readonly Trigger[] {
  const { parent_type, parent_id, name, value, signal_id, source_creator, runnable_call_id, at } = attributes;
  const kind = kindOf(parent_type);
  // A signal that is only checked has no parent, and is never committed.
  if (kind === undefined || typeof name !== 'string' || typeof parent_id !== 'string') return [];
  const path = `/${PLURAL[kind]}/signals/${name}`;
  if (!hasScripts(path)) return [];
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
      path,
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

function ofMessage({ state }: FullChange, hasScripts: HasScripts): readonly Trigger[] {
  const { attributes, id } = state;
  const senderKind = attributes.sender_type === 'User' ? 'user' : 'bot';
  const sender = textOr(attributes.sender_id, '');
  const testData = attributes.test_data === true;
  const recipients = [
    ...textsOf(attributes.user_ids).map((of) => ({ kind: 'user' as const, id: of })),
    ...textsOf(attributes.bot_ids).map((of) => ({ kind: 'bot' as const, id: of })),
  ].filter((recipient) => recipient.kind !== senderKind || recipient.id !== sender);
  const one = (path: string, which: string, parent: string, parameters: () => readonly Parameter[]): readonly Trigger[] =>
    hasScripts(path)
      ? [{ path, which, parent, parameters: parameters(), context: { message_id: id, parent_id: parent }, property: undefined, testData }]
      : [];
  const from: Parameter = { name: senderKind, kind: senderKind, id: sender };
  const title = (kind: 'user' | 'bot'): string => (kind === 'user' ? 'User' : 'Bot');
  return [
    ...one(`/${senderKind}s/messages/sent`, '', sender, () => [from, { name: 'message', value: toMessage(state) }]),
    ...recipients.flatMap((to) => [
      ...one(`/${senderKind}s/messages/outgoing`, to.id, sender, () => [
        from,
        { name: 'recipient', kind: to.kind, id: to.id },
        { name: 'recipient_type', value: title(to.kind) },
        { name: 'message', value: toMessage(state, to.id) },
      ]),
      ...one(`/${to.kind}s/messages/incoming`, to.id, to.id, () => [
        { name: 'sender', kind: senderKind, id: sender },
        { name: 'sender_type', value: title(senderKind) },
        { name: to.kind, kind: to.kind, id: to.id },
        { name: 'message', value: toMessage(state, to.id) },
      ]),
    ]),
  ];
}

function ofUser({ state: { id, attributes } }: FullChange, hasScripts: HasScripts): readonly Trigger[] {
  const path = '/users/events/create';
  if (!hasScripts(path)) return [];
  return [
    {
      path,
      which: '',
      parent: id,
      parameters: [{ name: 'user', kind: 'user', id }],
      context: { parent_id: id },
      property: undefined,
      testData: attributes.test_data === true,
    },
  ];
}
