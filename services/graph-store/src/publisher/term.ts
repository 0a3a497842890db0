/** State that the parts of the publisher share while they handle an input, and one term of the lease. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import { PageSize } from '@polyedge/journal/groups/page-size';
import { Procedures } from '@polyedge/journal/procedure';
import type { PublisherCall, PublisherEffect } from './messages.ts';
import { Recent, type RecentChanges } from './recent.ts';
import { type AppenderStats, type PublisherStats, READ_PAGES } from './settings.ts';

/** From acquiring the lease to losing it: procedures of a term end with it. */
export interface Term {
  readonly fence: number;
  readonly epoch: string;
  /** Redis was compared with the journal when the term began. */
  readonly comparedWithRedis: boolean;
}

export class PublisherState {
  readonly effects: PublisherEffect[] = [];
  readonly procedures = new Procedures<PublisherCall>(this.effects);
  readonly recent: RecentChanges;
  readonly stats: PublisherStats = {
    ...{ published: 0, head: 0, references: 0, refused: 0, readsFromJournal: 0 },
    ...{ taken: 0, lagMs: 0, publishing: false },
  };
  readonly appenderStats: AppenderStats = { appended: 0, rebuilt: 0, failures: 0 };
  /** Size of the next read from the journal. */
  readonly pageSize = new PageSize(READ_PAGES);
  /** The time of the current input. */
  at = 0;
  /** The newest reported commit. */
  known = 0;
  /** The epoch must be determined again: Redis came back, or the database may be another one. */
  unsettled = false;
  /** The highest fence found in Redis: if above that of a held lease, the database is an older copy. The next fence is above it. */
  fenceMet = 0;
  /** A call failed that the term depends on. */
  failure: Failure | undefined;

  constructor(recent: RecentChanges) {
    this.recent = recent;
  }

  /** Records changes that were read from the journal. */
  read(changes: readonly FullChange[]): Recent[] {
    const read = changes.map((change) => this.recent.get(change.seq) ?? new Recent(change));
    this.pageSize.adapt(read.map(({ characters }) => ({ bytes: characters })));
    return read;
  }

  note(level: 'info' | 'warn', sentence: string): void {
    this.effects.push({ do: 'note', level, sentence });
  }
}
