/**
 * Conversations as text: recorded from real clients, replayed against a protocol's pure session. A quirk takes ten lines of text.
 *
 * ```
 * # what this shows
 * @ open {"path":"/api","query":{},"credential":{"ok":true,"value":{…}}}
 * > {"id":"7","type":"get","headers":{"ogit/_id":"n1"}}
 * ! request 7 pe.cmd.graph.get.v1.acme {"ids":["n1"]}
 * ! reply 7 ok {"epoch":"e","seq":1,"elements":[]}
 * < {"id":"7","body":"*"}
 * @ 30000
 * ! close 1001 idle
 * ```
 *
 * - `>` a message from the client; `<` a message to it. JSON messages are compared as JSON.
 * - `!` an event or effect on the server's side. Inputs of the session: `authenticated ID OUTCOME`, `reply ID OUTCOME`, `written ID OUTCOME`, `event ID CHANGE`,
 *   `message ID BODY`, `subscribed ID SEQ EPOCH`, `lost ID FAILURE`, `confirmed ID`, `revoked`, `drain`; an OUTCOME is `ok JSON` or
 *   `failed CODE [detail]`. Effects of the session: `authenticate ID CREDENTIAL [adopt]`, `request ID SUBJECT BODY`,
 *   `mutate ID BODY` (tenant, defaultScope, own, request), `subscribe ID INTEREST [VIEW]`, `join ID GROUP VIEW`, `unsubscribe ID`, `listen ID SUBJECT`,
 *   `publish SUBJECT BODY`, `confirm ID`, `pause`, `resume`, `drop`, `close CODE REASON`.
 * - `@ N` advances time by N milliseconds, firing timers in order; `@ open JSON`, as the first line, describes how the connection was opened.
 *
 * Everything the session does must be in the transcript, in order. `"*"` matches any JSON value, `*` at the end of a line any remainder; an
 * ID with spaces is written as a JSON string. Empty lines and lines that begin with `#` are skipped.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure, Outcome } from '@polyedge/contracts/errors';
import { failed, isErrorCode } from '@polyedge/contracts/errors';
import type { Effect, Input, Opening, Protocol, Session } from '@polyedge/session/session';

export interface TranscriptOptions<Raw> {
  /** Converts the text of a `>` line to a raw frame of the protocol, and back. Default: the text itself. */
  readonly toRaw?: (text: string) => Raw;
  readonly fromRaw?: (raw: Raw) => string;
  readonly opening?: Partial<Opening>;
}

/** The time at which every transcript begins. */
export const TRANSCRIPT_EPOCH = 1_700_000_000_000;

/** Replays a transcript. Throws an error with the line and what the session did instead. */
export function runTranscript<Raw, In, Out>(text: string, protocol: Protocol<Raw, In, Out>, options: TranscriptOptions<Raw> = {}): void {
  const lines = text.split('\n').map((line, at) => ({ number: at + 1, line: line.trim() }));
  const script = lines.filter(({ line }) => line !== '' && !line.startsWith('#'));
  const [first] = script;
  const open = first?.line.startsWith('@ open ') === true ? first.line.slice('@ open '.length) : undefined;
  const replay = new Replay(protocol, options, open === undefined ? {} : JSON.parse(open));
  for (const { number, line } of open === undefined ? script : script.slice(1)) {
    const problem = replay.line(line);
    if (problem !== undefined) throw new Error(`line ${number}: ${line}\n${problem}`);
  }
  const left = replay.unexpected();
  if (left !== undefined) throw new Error(`after the last line\n${left}`);
}

class Replay<Raw, In, Out> {
  readonly #protocol: Protocol<Raw, In, Out>;
  readonly #toRaw: (text: string) => Raw;
  readonly #fromRaw: (raw: Raw) => string;
  readonly #session: Session<In, Out>;
  readonly #timers = new Map<string, number>();
  #done: string[] = [];
  #at = TRANSCRIPT_EPOCH;

  constructor(protocol: Protocol<Raw, In, Out>, options: TranscriptOptions<Raw>, opening: Partial<Opening>) {
    this.#protocol = protocol;
    // Text protocols are the default; others pass both functions.
    this.#toRaw = options.toRaw ?? ((text) => text as Raw);
    this.#fromRaw = options.fromRaw ?? String;
    const defaults: Opening = { credential: undefined, path: '/', query: {}, address: '127.0.0.1', nonce: '0'.repeat(32), at: this.#at };
    const [session, effects] = protocol.open({ ...defaults, ...options.opening, ...opening });
    this.#session = session;
    this.#perform(effects);
  }

  /** Replays one line; returns the problem, if any. */
  line(line: string): string | undefined {
    const rest = line.slice(1).trim();
    const verb = rest.split(' ', 1)[0] ?? '';
    if (line.startsWith('<') || (line.startsWith('!') && !INPUTS.has(verb))) return this.#expect(line);
    const unexpected = this.unexpected();
    if (unexpected !== undefined) return unexpected;
    if (line.startsWith('>')) this.#receive(rest);
    else if (line.startsWith('!')) this.#input(readInput(rest));
    else if (/^@\s*\d+$/.test(line)) this.#pass(Number(rest));
    else return 'not a line of a transcript';
    return undefined;
  }

  /** Effects of the session that no line has matched. */
  unexpected(): string | undefined {
    return this.#done.length === 0 ? undefined : `the session also did\n  ${this.#done.join('\n  ')}`;
  }

  #expect(line: string): string | undefined {
    const next = this.#done.shift();
    if (next === undefined) return 'the session did nothing';
    return matches(line, next) ? undefined : `the session did\n  ${next}`;
  }

  #receive(text: string): void {
    const decoded = this.#protocol.decode(this.#toRaw(text));
    this.#input(decoded.ok ? { kind: 'frame', frame: decoded.value } : { kind: 'undecodable', problem: decoded.problem });
  }

  #input(input: Input<In>): void {
    this.#perform(this.#session.handle(input, this.#at));
  }

  #pass(ms: number): void {
    const until = this.#at + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(([, due]) => due <= until).sort(([, one], [, other]) => one - other);
      if (next === undefined) break;
      const [name, due] = next;
      this.#timers.delete(name);
      this.#at = due;
      this.#input({ kind: 'timer', name });
    }
    this.#at = until;
  }

  #perform(effects: readonly Effect<Out>[]): void {
    for (const effect of effects) {
      if (effect.do === 'set-timer') this.#timers.set(effect.name, this.#at + effect.ms);
      else if (effect.do === 'clear-timer') this.#timers.delete(effect.name);
      else if (effect.do === 'send') this.#done.push(`< ${this.#fromRaw(this.#protocol.encode(effect.frame))}`);
      else this.#done.push(`! ${describe(effect)}`);
    }
  }
}

const INPUTS = new Set(['authenticated', 'reply', 'written', 'event', 'message', 'subscribed', 'lost', 'confirmed', 'revoked', 'drain']);

type Asking<Out> = Exclude<Effect<Out>, { do: 'send' | 'set-timer' | 'clear-timer' }>;

function describe<Out>(effect: Asking<Out>): string {
  switch (effect.do) {
    case 'authenticate':
      return `authenticate ${word(effect.id)} ${effect.credential}${effect.adopt ? ' adopt' : ''}`;
    case 'request':
      return `request ${word(effect.id)} ${effect.call.subject} ${JSON.stringify(effect.call.body)}`;
    case 'mutate': {
      const { tenant, defaultScope, own, request } = effect;
      return `mutate ${word(effect.id)} ${JSON.stringify({ tenant, defaultScope, own, request })}`;
    }
    case 'subscribe': {
      const view = effect.view === undefined ? '' : ` ${JSON.stringify(effect.view)}`;
      const where = effect.where === undefined ? '' : ` where ${JSON.stringify(effect.where)}`;
      return `subscribe ${word(effect.id)} ${JSON.stringify(effect.to)}${view}${where}`;
    }
    case 'join':
      return `join ${word(effect.id)} ${JSON.stringify(effect.group)} ${JSON.stringify(effect.view)}`;
    case 'when-flushed':
      return `when-flushed ${word(effect.name)} ${effect.bytes}`;
    case 'when-delivered':
      return `when-delivered ${word(effect.name)} ${word(effect.id)} ${effect.seq}`;
    case 'unsubscribe':
    case 'confirm':
      return `${effect.do} ${word(effect.id)}`;
    case 'listen':
      return `listen ${word(effect.id)} ${effect.subject}`;
    case 'report':
      return `report ${effect.incident} ${effect.failure}`;
    case 'publish':
      return `publish ${effect.subject} ${JSON.stringify(effect.body)}`;
    case 'close':
      return `close ${effect.code} ${effect.reason}`.trim();
    case 'pause':
    case 'resume':
    case 'drop':
      return effect.do;
  }
}

const word = (id: string): string => (/^[^\s"]+$/.test(id) ? id : JSON.stringify(id));

function readInput<In>(text: string): Input<In> {
  const kind = text.split(' ', 1)[0] ?? '';
  const [id, rest] = readId(text.slice(kind.length).trim());
  switch (kind) {
    case 'authenticated':
      // The values are recordings and not validated here; the session's behaviour checks them.
      return { kind, id, outcome: readOutcome(rest) as never };
    case 'reply':
      return { kind, id, outcome: readOutcome(rest) };
    case 'written':
      return { kind, id, outcome: readOutcome(rest) as never };
    case 'event':
      return { kind, id, change: JSON.parse(rest) as FullChange };
    case 'message':
      return { kind, id, body: JSON.parse(rest) };
    case 'subscribed': {
      const [seq = '0', epoch = ''] = rest.split(' ');
      return { kind, id, seq: Number(seq), epoch };
    }
    case 'lost': {
      const outcome = readOutcome(`failed ${rest}`);
      const failure: Failure = outcome.ok ? { code: 'lost' } : outcome.failure;
      return { kind, id, failure };
    }
    case 'confirmed':
      return { kind, id };
    case 'revoked':
    case 'drain':
      return { kind };
    default:
      throw new Error(`not an input: ${kind}`);
  }
}

function readId(text: string): [string, string] {
  const quoted = /^"(?:[^"\\]|\\.)*"/.exec(text)?.[0];
  if (quoted !== undefined) return [JSON.parse(quoted), text.slice(quoted.length).trim()];
  const id = text.split(' ', 1)[0] ?? '';
  return [id, text.slice(id.length).trim()];
}

function readOutcome(text: string): Outcome<unknown> {
  if (text.startsWith('ok')) return { ok: true, value: text === 'ok' ? undefined : JSON.parse(text.slice(2)) };
  const [, code = '', detail] = /^failed (\S+)(?: (.*))?$/.exec(text) ?? [];
  if (!isErrorCode(code)) throw new Error(`not an outcome: ${text}`);
  return failed(code, detail);
}

/** Whether an effect matches a line: as text, else word by word, with JSON compared as JSON. */
function matches(expected: string, actual: string): boolean {
  if (expected === actual) return true;
  if (expected.endsWith(' *') && actual.startsWith(expected.slice(0, -1))) return true;
  const [wanted, got] = [parts(expected), parts(actual)];
  return wanted.length === got.length && wanted.every((part, at) => sameJson(part, got[at]));
}

/** Splits a line into its plain words and JSON values, in order. */
function parts(line: string): unknown[] {
  const found: unknown[] = [];
  let rest = line;
  while (rest !== '') {
    if (/^[[{"]/.test(rest)) {
      const end = jsonEnd(rest);
      const value = end === undefined ? undefined : parsed(rest.slice(0, end));
      if (value !== undefined && end !== undefined) {
        found.push(value.value);
        rest = rest.slice(end).trimStart();
        continue;
      }
    }
    const plain = /^\S+/.exec(rest)?.[0] ?? rest;
    found.push(plain);
    rest = rest.slice(plain.length).trimStart();
  }
  return found;
}

/** The end of the JSON value at the start of a text, found by counting brackets outside strings. */
function jsonEnd(text: string): number | undefined {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? '';
    if (quoted && character === '\\') at += 1;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && '[{'.includes(character)) depth += 1;
    else if (!quoted && ']}'.includes(character)) depth -= 1;
    if (depth === 0 && !quoted) return at + 1;
  }
  return undefined;
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function sameJson(expected: unknown, actual: unknown): boolean {
  if (expected === '*' || expected === actual) return true;
  if (Array.isArray(expected)) {
    return Array.isArray(actual) && expected.length === actual.length && expected.every((part, at) => sameJson(part, actual[at]));
  }
  if (typeof expected !== 'object' || expected === null || typeof actual !== 'object' || actual === null || Array.isArray(actual))
    return false;
  const names = Object.keys(expected);
  const values: Readonly<Record<string, unknown>> = { ...actual };
  return (
    names.length === Object.keys(actual).length &&
    Object.entries(expected).every(([name, value]) => Object.hasOwn(values, name) && sameJson(value, values[name]))
  );
}
