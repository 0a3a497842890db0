/** The consumer groups of a simulated edge, by journal, as `JournalGroups` opens them on real servers. */
import { graphHead } from '@polyedge/contracts/bus/feed';
import { MAIN } from '@polyedge/contracts/journal';
import type { ConsumerGroups, MemberHandler } from '@polyedge/edge-kit/driver/consumer-groups';
import { busOf, type RoutedBus } from '@polyedge/service-kit/journal-bus';
import type { Process } from './process.ts';
import { SimulatedGroups } from './simulated-groups.ts';
import type { Surroundings } from './surroundings.ts';

export class SimulatedJournalGroups implements ConsumerGroups {
  readonly #world: Surroundings;
  readonly #process: Process;
  readonly #bus: RoutedBus;
  readonly #opened = new Map<string, SimulatedGroups>();

  constructor(world: Surroundings, process: Process, bus: RoutedBus) {
    this.#world = world;
    this.#process = process;
    this.#bus = bus;
    this.#of(MAIN);
    bus.placements.onMoved((tenants) => {
      for (const groups of this.#opened.values()) groups.moved(tenants);
    });
  }

  join(
    group: { readonly tenant: string; readonly name: string; readonly start: 'largest' | 'smallest' },
    handler: MemberHandler,
  ): { leave(): void } {
    return this.#of(this.#bus.placements.journalOf(group.tenant)).join(group, handler);
  }

  /** The groups of a journal; undefined if none was used here. */
  in(journal: string): SimulatedGroups | undefined {
    return this.#opened.get(journal);
  }

  #of(journal: string): SimulatedGroups {
    const known = this.#opened.get(journal);
    if (known !== undefined) return known;
    const bus = busOf(this.#bus, journal);
    const groups = new SimulatedGroups(this.#world.at(journal), this.#process, bus);
    bus.subscribe(graphHead, graphHead.pattern({}), ({ epoch, to }) => groups.announced(epoch, to));
    this.#opened.set(journal, groups);
    return groups;
  }
}
