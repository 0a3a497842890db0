/** The output of a session: the frames, requests and writes of all its parts, in order. */
import { createHash } from 'node:crypto';
import { graphQuery } from '@polyedge/contracts/bus/graph';
import type { RequestOf } from '@polyedge/contracts/channel';
import type { Outcome } from '@polyedge/contracts/errors';
import { busCall } from '@polyedge/session/call';
import { Output } from '@polyedge/session/output';
import { toMutate } from '@polyedge/session/questions';
import type { Effect, Opening } from '@polyedge/session/session';
import { type TaskHost, Tasks } from '@polyedge/session/task';
import type { Grant } from './access.ts';
import type { Frame } from './codec.ts';
import { answerText, type Echo, echoText, headText, passportText, type ResponseMeta, type ServiceStamp } from './envelope.ts';
import { Grants, PROTOCOL } from './grants.ts';
import type { LiveEventCache } from './live-event.ts';
import type { ErrorResponse, FieldProblem, IncidentLog } from './problems.ts';
import type { Topics } from './topics.ts';
import type { SessionQuestion, SessionWork } from './work.ts';

/** Shared by all sessions of an edge. */
export interface SessionSettings {
  /** The tenant whose data this edge serves; it has one tenant and one scope. */
  readonly tenant: string;
  readonly scope: () => string;
  /** The current rules; a new object when they change. */
  readonly topics: () => Topics;
  readonly instance: string;
  readonly requestsPerSecond: number;
  readonly requestBurst: number;
  readonly maxSubscriptions: number;
  readonly redact: boolean;
  /** Whether a downgrade ends earlier subscriptions: the original keeps them. */
  readonly onDowngrade: 'keep' | 'revoke';
  readonly liveEvents: LiveEventCache;
}

type OutputEffect = Effect<string>;

const SOCKET = { protocol: PROTOCOL, way: 'socket' } as const;
/** Maximum concurrent reads of one session, and maximum waiting ones. */
const READS_AT_ONCE = 4;
const MAX_WAITING_READS = 256;
/** Further tasks besides those reads and the reads of subscriptions; the next request is answered with `slow down`. */
const MAX_TASKS = 512;
/** Unread bytes above which live events are merged, and requested rows wait. */
const CONGESTED_BYTES = 256 * 1024;
const FLUSH_MARK_BYTES = 64 * 1024;

/** A request until its answer. */
export interface RequestContext {
  readonly echo: Echo;
  /** The roles that the session had when it arrived. */
  readonly grants: readonly Grant[];
  /** When the store was queried, if it was. */
  storeAt: number | undefined;
}

export const NO_PROBLEMS: readonly FieldProblem[] = [];

export class SessionOutput implements IncidentLog, TaskHost<SessionQuestion, void, undefined, void> {
  readonly settings: SessionSettings;
  /** The session's id; not a credential. */
  readonly id: string;
  readonly address: string;
  readonly grants = new Grants();
  /** Incremented by changes of the roles, to invalidate cached heads of answers. */
  rolesState = 0;
  at: number;
  /** Created on first use, like everything that an idle connection does not need. */
  #tasks: Tasks<SessionQuestion, void, undefined, void> | undefined;
  #reads:
    | { readonly running: Set<string>; readonly waiting: { readonly id: string; readonly query: RequestOf<typeof graphQuery> }[] }
    | undefined;
  /** Characters sent since the client was last known to have read everything, and since the last such check. */
  #unread = 0;
  #unreadSinceCheck = 0;
  #flushRequested = false;
  readonly #out = new Output<string>();
  #count = 0;

  constructor(settings: SessionSettings, { nonce, address, at }: Pick<Opening, 'nonce' | 'address' | 'at'>) {
    this.settings = settings;
    this.id = Buffer.from(nonce, 'hex').toString('base64url');
    this.address = address;
    this.at = at;
  }

  /** Nothing is in progress. */
  get idle(): boolean {
    return (this.#tasks?.size ?? 0) === 0;
  }

  effect(effect: OutputEffect): void {
    this.#out.effect(effect);
  }

  /** Returns and clears the collected effects. */
  take(): readonly OutputEffect[] {
    return this.#out.take();
  }

  contextOf({ payload, text }: Frame, at: number): RequestContext {
    return { echo: { at, text: echoText(text, payload, this.settings.redact) }, grants: this.grants.held, storeAt: undefined };
  }

  /** The one answer to a request. */
  answer(context: RequestContext, payload: string, meta: ResponseMeta): void {
    this.send(
      answerText(this.head(context.echo), this.at, 'ok', NO_PROBLEMS, payload, { ...meta, seq: 0, last: true }, this.passport(context)),
    );
  }

  refuse(context: RequestContext, { code, problems }: ErrorResponse, meta: ResponseMeta = {}): void {
    this.send(answerText(this.head(context.echo), this.at, code, problems, '{}', { ...meta, seq: 0, last: true }, this.passport(context)));
  }

  send(frame: string): void {
    this.#out.send(frame);
    this.#unread += frame.length;
    this.#unreadSinceCheck += frame.length;
    this.#requestFlush();
  }

  /** Whether the client has so much unread data that more should wait. Ends with `flushed`. */
  get congested(): boolean {
    return this.#unread >= CONGESTED_BYTES;
  }

  /** Once enough is unsent, requests a notification when the client has read it; held-back output resumes then. */
  #requestFlush(): void {
    if (this.#flushRequested || this.#unread < FLUSH_MARK_BYTES) return;
    this.#flushRequested = true;
    this.#unreadSinceCheck = 0;
    this.effect({ do: 'when-flushed', name: 'flushed', bytes: FLUSH_MARK_BYTES });
  }

  /** The client has read everything that was unsent at the time of the check. */
  flushed(): void {
    this.#flushRequested = false;
    // What was sent since the check may still be unread.
    this.#unread = this.#unreadSinceCheck;
    this.#unreadSinceCheck = 0;
    this.#requestFlush();
    this.#beginReads();
  }

  head(echo: Echo): string {
    return headText(this.id, this.grants.roles, echo);
  }

  /** JSON text of the passport of a request; without a request, with this edge's stamp only. */
  passport(context?: RequestContext): string {
    const stamps: ServiceStamp[] = [this.#stamp(context?.echo.at ?? this.at)];
    if (context?.storeAt !== undefined) {
      stamps.push({ service: 'graph-store', instance: 'journal', in: Math.floor(context.storeAt), out: Math.floor(this.at) });
    }
    return passportText(stamps);
  }

  /** The same for a commit that was made at `on`. */
  commitPassport(on: number): string {
    return passportText([{ service: 'graph-store', instance: 'journal', in: on, out: on }, this.#stamp(this.at)]);
  }

  // ---- tasks (TaskHost)

  /** Whether so many tasks are waiting that further requests must be rejected. */
  get isFull(): boolean {
    return this.#tasks?.isFull === true;
  }

  start(work: SessionWork): void {
    this.#tasks ??= new Tasks(this, MAX_TASKS + MAX_WAITING_READS + 2 * this.settings.maxSubscriptions);
    this.#tasks.start(this.newId('task'), work, undefined);
  }

  perform(id: string, question: SessionQuestion): void {
    switch (question.kind) {
      case 'call':
        this.#out.effect({ do: 'request', id, call: question.call, unordered: question.unordered === true });
        break;
      case 'read':
        this.#reads ??= { running: new Set(), waiting: [] };
        this.#reads.waiting.push({ id, query: question.query });
        this.#beginReads();
        break;
      case 'write': {
        const { tenant, scope } = this.settings;
        const account = question.rule.grant?.account ?? 'anonymous';
        this.#out.effect(toMutate(id, question, { tenant, defaultScope: scope(), account, app: PROTOCOL }, SOCKET, 'answer-first'));
        break;
      }
      case 'authenticate':
        this.#out.effect({ do: 'authenticate', id, credential: question.credential, adopt: question.adopt });
        break;
    }
  }

  done(): void {
    // The task has sent its answers.
  }

  answered(id: string, outcome: Outcome<unknown>): void {
    this.#reads?.running.delete(id);
    this.#tasks?.resume(id, outcome);
    this.#beginReads();
  }

  /** A reply may have megabytes, so few reads run at once, and none while the client is congested. */
  #beginReads(): void {
    const reads = this.#reads;
    while (reads !== undefined && reads.running.size < READS_AT_ONCE && !this.congested) {
      const next = reads.waiting.shift();
      if (next === undefined) return;
      reads.running.add(next.id);
      this.#out.effect({ do: 'request', id: next.id, call: busCall(graphQuery, { tenant: this.settings.tenant }, next.query) });
    }
  }

  /** Whether so many reads wait that another one must be rejected. Reads of subscriptions, which are few, always wait. */
  get crowded(): boolean {
    return (this.#reads?.waiting.length ?? 0) >= MAX_WAITING_READS;
  }

  /** Logs an internal failure. Returns the name to find it by. */
  incident(failure: string): string {
    this.#count += 1;
    const incident = `${this.id.slice(0, 8)}-${this.#count}`;
    this.#out.effect({ do: 'report', incident, failure });
    return incident;
  }

  newId(what: string): string {
    this.#count += 1;
    return `${what}:${this.#count}`;
  }

  /** Sorts by time of creation, and is unique to this session. */
  newResourceId(): string {
    this.#count += 1;
    const time = Math.floor(this.at).toString(36).padStart(9, '0');
    const count = this.#count.toString(36).padStart(5, '0');
    return `${time}${count}${createHash('sha256').update(this.id).digest('hex').slice(0, 16)}`;
  }

  #stamp(since: number): ServiceStamp {
    return { service: 'gooduncle-edge', instance: this.settings.instance, in: Math.floor(since), out: Math.floor(this.at) };
  }
}
