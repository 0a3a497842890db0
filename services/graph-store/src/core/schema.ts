import type { Element } from '@polyedge/contracts/element';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';

/** Compiled JSON Schemas of a process, bounded: the one unused for longest goes first. */
export class Schemas {
  /** Whether `value` satisfies the schema that `holder` has in `attribute`. */
  check(_holder: Element, _attribute: string, _value: Json): Outcome<void> {
    return failed('internal');
  }
}
