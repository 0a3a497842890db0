import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import { done } from '@polyedge/contracts/errors';
import { Procedures } from '../procedure.ts';
import type { GroupCall, GroupsEffect, JournalPage } from './messages.ts';

import { TailCache } from './tail-cache.ts';

/** A partition that has these seqs, up to its head, and counts how often it is asked. Answers when it is told to. */
class Partition {
  seqs: number[] = [];
  head = 0;
  reads = 0;
  onWake: (ms: number) => void = () => {};
  readonly effects: GroupsEffect[] = [];
  readonly procedures = new Procedures<GroupCall>(this.effects);

  /** Answers everything that is asked, until nothing is. */
  answer(): void {
    for (let effect = this.effects.shift(); effect !== undefined; effect = this.effects.shift()) {
      if (effect.do === 'wake') this.onWake(effect.ms);
      if (effect.do === 'call') this.procedures.resume(effect.id, done(this.#reply(effect.call)));
    }
  }

  #reply(call: GroupCall): unknown {
    if (call.call === 'end') return this.head;
    assert.ok(call.call === 'read');
    this.reads += 1;
    const seqs = this.seqs.filter((seq) => seq > call.after).slice(0, call.limit);
    // Nobody here looks at the change itself.
    const items = seqs.map((seq) => ({ seq, change: { seq } as FullChange, bytes: 100 }));
    return { items, to: items.length === call.limit ? (seqs.at(-1) ?? call.after) : Math.max(call.after, this.head) };
  }
}

const seqsOf = (page: JournalPage | undefined): number[] | undefined => page?.items.map(({ seq }) => seq);

test('readers at the end share what is read once, and readers behind the ring get nothing', () => {
  const partition = new Partition();
  partition.head = 10;
  const tails = new TailCache('e', partition.effects, partition.procedures, { maxItems: 3, maxBytes: 10_000 });
  tails.follow(0, () => {});
  partition.answer();
  partition.seqs = [11, 13];
  partition.head = 13;
  tails.announced(13);
  partition.answer();
  partition.seqs = [14, 17, 18];
  partition.head = 20;
  tails.announced(20);
  partition.answer();
  assert.equal(partition.reads, 2);
  const page = tails.read(0, 13);
  assert.deepEqual(seqsOf(page), [14, 17, 18]);
  assert.equal(tails.read(0, 13), page, 'who is at the same place gets the same page');
  assert.deepEqual(seqsOf(tails.read(0, 14)), [17, 18]);
  assert.deepEqual(tails.read(0, 18), { items: [], to: 20 });
  assert.deepEqual(tails.read(0, 20), { items: [], to: 20 });
  assert.equal(tails.read(0, 12), undefined);
  tails.close();
});

test('one that is further than the ring waits for it, and reads nothing by itself', () => {
  const partition = new Partition();
  partition.head = 10;
  const tails = new TailCache('e', partition.effects, partition.procedures);
  tails.follow(0, () => {});
  partition.answer();
  // The partition was idle when the journal was at 15 already: its head is older.
  assert.deepEqual(tails.read(0, 15), { items: [], to: 15 });
  partition.seqs = [16, 18];
  partition.head = 18;
  tails.announced(18);
  partition.answer();
  assert.deepEqual(seqsOf(tails.read(0, 15)), [16, 18]);
  tails.close();
});

test('Redis that has a change later than NATS is read again, with growing intervals, and then left alone', () => {
  const partition = new Partition();
  partition.head = 10;
  const tails = new TailCache('e', partition.effects, partition.procedures);
  tails.follow(0, () => {});
  partition.answer();
  tails.announced(11);
  const waits: number[] = [];
  partition.onWake = (ms) => {
    waits.push(ms);
    tails.woken();
  };
  partition.answer();
  assert.deepEqual(waits, [2, 4, 8, 16, 32, 64, 128, 256]);
  partition.head = 11;
  tails.announced(11);
  partition.answer();
  assert.deepEqual([waits.length, tails.read(0, 10)?.to], [8, 11]);
  tails.close();
});
