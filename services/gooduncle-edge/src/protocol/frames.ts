/** What subscribers of a topic are sent for a change, for the console to show. */
import type { FullChange } from '@polyedge/contracts/change';
import { EVERYTHING } from '@polyedge/query/filter';
import { compile } from '@polyedge/query/predicate';
import { type Allowed, Showing } from './access.ts';
import { answerText, headText, passportText } from './envelope.ts';
import { happening } from './happening.ts';
import { NO_PROBLEMS } from './talk.ts';
import type { Topics } from './topics.ts';
import { elementsOf } from './writing.ts';

/** Everything, as a role without restrictions has it. */
const ALL: Allowed = { rows: EVERYTHING, check: EVERYTHING, fields: { all: true, names: new Set() }, set: {}, grant: undefined };

/** One frame for each live topic of the change's type: to a subscription without criteria, of a role that may see everything. */
export function framesOf(change: FullChange, { byName }: Topics, scope: string): readonly { readonly to: string; readonly text: string }[] {
  const showing = new Showing([ALL], undefined);
  return [...byName.values()]
    .filter(({ type, live }) => live && type === change.type)
    .flatMap((topic) => {
      const lens = { name: `console ${topic.name}`, matches: compile(elementsOf(topic, scope)), showing };
      const stamp = { service: 'graph-store', instance: 'journal', in: change.on, out: change.on };
      const found = happening(change, lens, () => passportText([stamp]));
      if (found === undefined) return [];
      const request = JSON.stringify({ type: 'subscribe', topic: topic.name, ref: 1 });
      const head = headText('example', [], { at: change.on, text: request });
      const says = { event: found.event, version: found.version, seq: 1 };
      return [
        {
          to: `a subscription to ${topic.name}`,
          text: answerText(head, change.on, 'ok', NO_PROBLEMS, found.payload, says, found.passport),
        },
      ];
    });
}
