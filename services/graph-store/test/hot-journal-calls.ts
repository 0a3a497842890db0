/** What a publisher asks of Redis, answered by the model of the hot journal. */
import type { HotJournalModel } from '@polyedge/simulation/hot-journal-model';
import type { PublisherCall, PublisherReplies } from '../src/publisher/messages.ts';
import type { Recent } from '../src/publisher/recent.ts';

type HotJournalCall = Extract<PublisherCall, { call: 'claim' | 'states' | 'append' | 'clear' | 'fill' | 'switch' }>;

/** Carries out a call. @returns the reply to it */
export function askHotJournal(hot: HotJournalModel, call: HotJournalCall): PublisherReplies[HotJournalCall['call']] {
  switch (call.call) {
    case 'claim':
      return hot.claim(call.partition, call.fence);
    case 'states':
      return Array.from({ length: call.partitions }, (_, partition) => hot.state(partition));
    case 'append':
      return call.runs.map(({ partition, state, changes }) =>
        hot.append(partition, call.fence, state, call.head, call.trimBelow, changes.map(entryOf)),
      );
    case 'clear':
      return hot.clear(call.partition, call.fence, call.generation);
    case 'fill':
      return hot.fill(call.partition, call.fence, call.generation, call.after, call.changes.map(entryOf));
    case 'switch':
      return hot.switchTo(call.partition, call.fence, call.state, call.since);
  }
}

const entryOf = ({ change: { seq }, json = '' }: Recent): { readonly seq: number; readonly json: string } => ({ seq, json });
