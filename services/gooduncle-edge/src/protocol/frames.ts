/** The frames that subscribers of a topic receive for a change, for display in the console. */
import { type FullChange, stateBefore } from '@polyedge/contracts/change';
import { EVERYTHING } from '@polyedge/query/filter';
import { compile } from '@polyedge/query/predicate';
import { type Allowed, Projection } from './access.ts';
import { answerText, headText, passportText } from './envelope.ts';
import { LiveEventCache } from './live-event.ts';
import { NO_PROBLEMS } from './session-output.ts';
import type { Topics } from './topics.ts';
import { elementsOf } from './writing.ts';

/** All rights, like a role without restrictions. */
const ALL: Allowed = { rows: EVERYTHING, check: EVERYTHING, fields: { all: true, names: new Set() }, set: {}, grant: undefined };

/** One frame for each live topic of the change's type, as received by a subscription without criteria and with all rights. */
export function framesOf(change: FullChange, { byName }: Topics, scope: string): readonly { readonly to: string; readonly text: string }[] {
  const projection = new Projection([ALL], undefined);
  const liveEvents = new LiveEventCache();
  const before = stateBefore(change.state, change.undo);
  return [...byName.values()]
    .filter(({ type, live }) => live && type === change.type)
    .flatMap((topic) => {
      const matches = compile(elementsOf(topic, scope));
      const match = { before, was: before !== undefined && matches(before), is: matches(change.state) };
      const stamp = { service: 'graph-store', instance: 'journal', in: change.on, out: change.on };
      const found = liveEvents.of({ change, match }, { name: topic.name, projection }, () => passportText([stamp]));
      if (found === undefined) return [];
      const request = JSON.stringify({ type: 'subscribe', topic: topic.name, ref: 1 });
      const head = headText('example', [], { at: change.on, text: request });
      const meta = { event: found.event, version: found.version, seq: 1 };
      return [
        {
          to: `a subscription to ${topic.name}`,
          text: answerText(head, change.on, 'ok', NO_PROBLEMS, found.payload, meta, found.passport),
        },
      ];
    });
}
