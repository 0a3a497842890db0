/**
 * The hot journal: the newest changes in Redis, one stream per partition, with entry ids `<seq>-0`. It is a copy and can be rebuilt from
 * PostgreSQL at any time. Only the holder of the publisher's lease writes, and every write is conditional (scripts/append.lua), so a stale
 * writer or a Redis that lost data is detected, and entries are never out of order.
 */
import { MAIN } from '@polyedge/contracts/journal';
import { allKeys, epochOf, keyedEpoch, logKey, metaKey } from './keys.ts';
import { primariesOf, type Redis, sendAll } from './redis.ts';
import { loadScript, runScript, runScripts, ScriptTurn } from './script.ts';

const SCRIPTS = {
  claim: loadScript('claim'),
  append: loadScript('append'),
  clear: loadScript('clear'),
  fill: loadScript('fill'),
  switch: loadScript('switch'),
  read: loadScript('read', true),
};

/** A change in the log. `json` is empty for a change that is too large: readers fetch it from the journal. */
export interface JournalEntry {
  readonly seq: number;
  /** The seq of the previous entry in the partition, 0 for the first. A reader that expected another one has missed something. */
  readonly prev: number;
  readonly json: string;
}

export interface PartitionState {
  /** 0: the partition was not written in this epoch. */
  readonly generation: number;
  /** Seq of the newest entry, 0 for none. */
  readonly last: number;
  /** Every change of the partition up to this seq is in its log, or was trimmed. */
  readonly head: number;
}

export type LogPage =
  | {
      readonly is: 'read';
      /** Seq of the newest entry. */
      readonly last: number;
      readonly head: number;
      /** Changes up to here are not in the log and never were. */
      readonly since: number;
      /** The previous seq of the first entry; undefined without entries. */
      readonly prev: number | undefined;
      /** The entries end before a hole. */
      readonly cut: boolean;
      /** Consecutive entries, without a hole. */
      readonly entries: readonly Omit<JournalEntry, 'prev'>[];
    }
  /** Another generation is in use; 0: the partition was not written in this epoch, or Redis lost it. */
  | { readonly is: 'generation'; readonly generation: number };

export type Claimed = ({ readonly is: 'claimed' } & PartitionState) | { readonly is: 'fenced'; readonly fence: number };
/** `fenced`: a newer publisher writes. `forgot`: Redis was wiped or restored since the partition was claimed. */
export type LostClaim = 'fenced' | 'forgot';

export type Appended = 'appended' | 'fenced' | 'differs';

/** Changes of one partition that follow `state.last`. */
export interface Run {
  readonly partition: number;
  readonly state: PartitionState;
  readonly changes: readonly Omit<JournalEntry, 'prev'>[];
}

export class HotJournal {
  readonly #redis: Redis;
  readonly epoch: string;
  /** The epoch as used in keys. */
  readonly #keyed: string;
  /** A reader of many partitions reads all of them whenever one has grown. */
  readonly #reads: ScriptTurn;

  constructor(redis: Redis, epoch: string, journal = MAIN) {
    this.#redis = redis;
    this.#reads = new ScriptTurn(redis, SCRIPTS.read);
    this.epoch = epoch;
    this.#keyed = keyedEpoch(journal, epoch);
  }

  async claim(partition: number, fence: number): Promise<Claimed> {
    const answer = await this.#run('claim', [metaKey(this.#keyed, partition)], [String(fence)]);
    if (answer[0] !== 'claimed') return { is: 'fenced', fence: Number(answer[1]) };
    return { is: 'claimed', generation: Number(answer[1]), last: Number(answer[2]), head: Number(answer[3]) };
  }

  /** Appends to several partitions in one message to Redis; `head` and `trimBelow` as in the script. Fails if Redis does. */
  async append(fence: number, head: number, trimBelow: number, runs: readonly Run[]): Promise<Appended[]> {
    const answers = await runScripts(
      this.#redis,
      SCRIPTS.append,
      runs.map(({ partition, state: { generation, last }, changes }) => ({
        keys: [metaKey(this.#keyed, partition), logKey(this.#keyed, partition, generation)],
        args: [...[fence, generation, last, head, trimBelow].map(String), ...changes.flatMap(({ seq, json }) => [String(seq), json])],
      })),
    );
    return answers.map(([answer]) => (answer === 'appended' || answer === 'differs' ? answer : 'fenced'));
  }

  /** Starts to rebuild the log of a partition as another generation: removes what an earlier attempt left there. */
  async clear(partition: number, fence: number, generation: number): Promise<'cleared' | LostClaim> {
    const keys = [metaKey(this.#keyed, partition), logKey(this.#keyed, partition, generation)];
    const answer = await this.#run('clear', keys, [String(fence)]);
    return answer[0] === 'cleared' || answer[0] === 'forgot' ? answer[0] : 'fenced';
  }

  /**
   * Writes changes to a generation that is not in use yet. `after`: seq of its newest entry, or, for the first call, of the last change
   * that is left out.
   */
  async fill(
    partition: number,
    fence: number,
    generation: number,
    after: number,
    changes: readonly Omit<JournalEntry, 'prev'>[],
  ): Promise<'filled' | LostClaim> {
    const keys = [metaKey(this.#keyed, partition), logKey(this.#keyed, partition, generation)];
    const answer = await this.#run('fill', keys, [
      String(fence),
      String(after),
      ...changes.flatMap(({ seq, json }) => [String(seq), json]),
    ]);
    return answer[0] === 'filled' || answer[0] === 'forgot' ? answer[0] : 'fenced';
  }

  /** Switches to a filled generation. `since`: changes up to here are not in the log and never were. */
  async switchTo(
    partition: number,
    fence: number,
    { generation, last, head }: PartitionState,
    since: number,
  ): Promise<'switched' | LostClaim> {
    const keys = [
      metaKey(this.#keyed, partition),
      logKey(this.#keyed, partition, generation),
      logKey(this.#keyed, partition, generation - 1),
    ];
    const answer = await this.#run('switch', keys, [fence, generation, last, head, since].map(String));
    return answer[0] === 'switched' || answer[0] === 'forgot' ? answer[0] : 'fenced';
  }

  async state(partition: number): Promise<PartitionState> {
    return stateOf(await this.#redis.hmget(metaKey(this.#keyed, partition), ...STATE));
  }

  /** The states of the first partitions, in one message to Redis. */
  async states(partitions: number): Promise<PartitionState[]> {
    const asked = Array.from({ length: partitions }, (_, partition) => ['hmget', metaKey(this.#keyed, partition), ...STATE]);
    return (await sendAll(this.#redis, asked)).map(([error, answer]) => {
      if (error !== null) throw error;
      return stateOf(Array.isArray(answer) ? answer : []);
    });
  }

  /**
   * Reads at most `limit` entries after a seq, in order, with the partition's state at that moment. The reads of one turn are one message to
   * Redis, and fail together.
   */
  async read(partition: number, generation: number, after: number, limit: number): Promise<LogPage> {
    const keys = [metaKey(this.#keyed, partition), logKey(this.#keyed, partition, generation)];
    const answer = await this.#reads.run(keys, [String(generation), String(after), String(limit)]);
    const [is, last, head, since, prev, whole, seqs = ''] = answer;
    if (is !== 'read') return { is: 'generation', generation: Number(last ?? 0) };
    return {
      is: 'read',
      last: Number(last),
      head: Number(head),
      since: Number(since),
      prev: prev === '' ? undefined : Number(prev),
      cut: whole !== 'whole',
      entries: seqs === '' ? [] : seqs.split(' ').map((seq, at) => ({ seq: Number(seq), json: answer[at + BODIES] ?? '' })),
    };
  }

  /** The newest entry of a partition. */
  async newest(partition: number): Promise<JournalEntry | undefined> {
    const { generation } = await this.state(partition);
    const [row] = await this.#redis.xrevrange(logKey(this.#keyed, partition, generation), '+', '-', 'COUNT', 1);
    return row === undefined ? undefined : toEntry(row);
  }

  async #run(name: keyof typeof SCRIPTS, keys: readonly string[], args: readonly string[]): Promise<readonly string[]> {
    return await runScript(this.#redis, SCRIPTS[name], keys, args);
  }
}

/** Where the bodies of the entries begin in the answer of scripts/read.lua. */
const BODIES = 7;

const STATE = ['generation', 'last', 'head'] as const;

const stateOf = ([generation, last, head]: readonly unknown[]): PartitionState => ({
  generation: Number(generation ?? 0),
  last: Number(last ?? 0),
  head: Number(head ?? 0),
});

function toEntry([id, fields]: [string, string[]]): JournalEntry {
  // Only our scripts write the fields, in this order: prev, its value, change, its value.
  return { seq: Number(id.slice(0, id.indexOf('-'))), prev: Number(fields[1]), json: fields[3] ?? '' };
}

/** Deletes the keys of all epochs of a journal except one. */
export async function dropOtherEpochs(redis: Redis, epoch: string, journal = MAIN): Promise<number> {
  const dropped = await Promise.all(primariesOf(redis).map((primary) => dropIn(primary, redis, epoch, journal)));
  return dropped.reduce((sum, each) => sum + each, 0);
}

async function dropIn(primary: ReturnType<typeof primariesOf>[number], redis: Redis, epoch: string, journal: string): Promise<number> {
  let dropped = 0;
  let cursor = '0';
  do {
    const [next, keys] = await primary.scan(cursor, 'MATCH', allKeys(journal), 'COUNT', 1000);
    cursor = next;
    for (const key of keys) {
      const of = epochOf(journal, key);
      if (of !== undefined && of !== epoch) dropped += await redis.unlink(key);
    }
  } while (cursor !== '0');
  return dropped;
}
