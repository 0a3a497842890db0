/**
 * The receiving end of `fanout`: sockets that count, in a process of its own. Every message is numbered, so that loss, duplicates and wrong
 * order are detected per socket; messages that arrive in batches (NATS) are counted by bytes.
 */
import { RawSocket } from '../lib/raw-socket.ts';

/** How to find the number in a message: eight digits at `offset`, in messages that begin with `prefix`; or all messages have `unitBytes`. */
export type Kind =
  | { readonly by: 'number'; readonly prefix: string; readonly offset: number }
  | { readonly by: 'bytes'; readonly unitBytes: number };

export type Question =
  | {
      readonly ask: 'open';
      readonly name: string;
      readonly port: number;
      readonly path: string;
      readonly protocols: readonly string[];
      readonly first: readonly string[];
      readonly binary?: boolean;
      readonly count: number;
      readonly kind: Kind;
    }
  /** Answered when the group has received `messages` more than at the last such answer (all sockets together), or after `withinMs`. */
  | { readonly ask: 'await'; readonly name: string; readonly messages: number; readonly withinMs: number }
  /** The faults since the last such question; from now on, numbers are expected to start with `next`. */
  | { readonly ask: 'faults'; readonly name: string; readonly next: number };

export interface Faults {
  readonly lost: number;
  readonly duplicates: number;
  readonly wireBytes: number;
  readonly messages: number;
  readonly closed: number;
}

interface Group {
  readonly sockets: RawSocket[];
  readonly next: Uint32Array;
  received: number;
  due: number;
  complete: (() => void) | undefined;
  lost: number;
  duplicates: number;
  bytes: number;
  messages: number;
}

const groups = new Map<string, Group>();
const PING = 'PING\r\n';

function count(group: Group, kind: Kind, at: number): (buffer: Buffer, start: number, end: number) => void {
  if (kind.by === 'bytes') {
    let total = 0;
    return (buffer, start, end) => {
      const before = Math.floor(total / kind.unitBytes);
      total += end - start;
      if (buffer.toString('latin1', end - PING.length, end) === PING) {
        total -= PING.length;
        group.sockets[at]?.sendBinary('PONG\r\n');
      }
      took(group, Math.floor(total / kind.unitBytes) - before, end - start);
    };
  }
  const { offset, prefix } = kind;
  const [first, second] = [prefix.charCodeAt(0), prefix.length > 1 ? prefix.charCodeAt(1) : undefined];
  const b = 'b'.charCodeAt(0);
  return (buffer, start, end) => {
    if (buffer[start] !== first || (second !== undefined && buffer[start + 1] !== second) || buffer[start + offset - 1] !== b) return;
    let number = 0;
    for (let digit = start + offset; digit < start + offset + 8; digit += 1) number = number * 10 + (buffer[digit] ?? 0) - 48;
    const expected = group.next[at] ?? 0;
    if (number >= expected) {
      // Numbers before the first measurement belong to the warm-up.
      if (expected > 0) group.lost += number - expected;
      group.next[at] = number + 1;
    } else {
      group.duplicates += 1;
    }
    took(group, 1, end - start);
  };
}

function took(group: Group, messages: number, bytes: number): void {
  group.received += messages;
  group.messages += messages;
  group.bytes += bytes;
  if (group.received >= group.due) group.complete?.();
}

async function open(question: Extract<Question, { ask: 'open' }>): Promise<number> {
  const { name, port, path, protocols, first, binary, kind } = question;
  const group: Group = {
    sockets: [],
    next: new Uint32Array(question.count),
    ...{ received: 0, due: 0, complete: undefined, lost: 0, duplicates: 0, bytes: 0, messages: 0 },
  };
  groups.set(name, group);
  for (let at = 0; at < question.count; at += 1) {
    const socket = await RawSocket.open(port, path, { protocols });
    group.sockets.push(socket);
    socket.onMessage = count(group, kind, at);
    for (const text of first) binary === true ? socket.sendBinary(text) : socket.send(text);
  }
  // NATS does not answer WebSocket pings in order with its own protocol; the warm-up shows that its subscriptions are active.
  if (kind.by === 'number') await Promise.all(group.sockets.map((socket) => socket.handled()));
  return group.sockets.length;
}

function awaitMessages(group: Group, messages: number, withinMs: number): Promise<boolean> {
  group.due += messages;
  if (group.received >= group.due) return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (complete: boolean) => {
      clearTimeout(timer);
      group.complete = undefined;
      resolve(complete);
    };
    const timer = setTimeout(() => end(false), withinMs);
    group.complete = () => end(true);
  });
}

function faults(group: Group, next: number): Faults {
  const { lost, duplicates, bytes, messages } = group;
  const closed = group.sockets.filter((socket) => socket.closed).length;
  group.next.fill(next);
  Object.assign(group, { lost: 0, duplicates: 0, bytes: 0, messages: 0 });
  group.due = group.received;
  return { lost, duplicates, wireBytes: bytes, messages, closed };
}

async function answer(question: Question): Promise<unknown> {
  if (question.ask === 'open') return open(question);
  const group = groups.get(question.name);
  if (group === undefined) throw new Error(`there is no group ${question.name}`);
  return question.ask === 'await' ? awaitMessages(group, question.messages, question.withinMs) : faults(group, question.next);
}

process.on('message', (question: Question) => void answer(question).then((said) => process.send?.(said ?? null)));
process.send?.({ ready: true });
