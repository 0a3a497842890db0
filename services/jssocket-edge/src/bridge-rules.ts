/** Parses the file that defines which changes of the graph become notifications. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Filter } from '@polyedge/query/filter';
import { EVERYTHING } from '@polyedge/query/filter';
import { compile, type Predicate } from '@polyedge/query/predicate';
import { parseFilter } from '@polyedge/query/validate';

/** Changes of `type` that match `filter` go to the group that `group` names. */
export interface BridgeRule {
  readonly type: string;
  readonly matches: Predicate;
  /** The attribute whose text, or each of whose texts, is a group. */
  readonly group: string;
}

type ParsedRules = { readonly ok: true; readonly rules: readonly BridgeRule[] } | { readonly ok: false; readonly problem: string };

const MAX_RULES = 1000;
const MAX_GROUPS = 100;

/** Parses `{ "rules": [{ "type", "group", "filter"? }] }`; problems name the rule. */
export function parseBridge(text: string): ParsedRules {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    return { ok: false, problem: 'it is not JSON' };
  }
  const listed = isRecord(file) && Object.keys(file).length === 1 ? file.rules : undefined;
  if (!Array.isArray(listed) || listed.length > MAX_RULES)
    return { ok: false, problem: `it must be an object with up to ${MAX_RULES} "rules"` };
  const rules: BridgeRule[] = [];
  for (const [at, rule] of listed.entries()) {
    const parsed = parseRule(rule);
    if ('problem' in parsed) return { ok: false, problem: `rule ${at + 1}: ${parsed.problem}` };
    rules.push(parsed);
  }
  return { ok: true, rules };
}

function parseRule(rule: unknown): BridgeRule | { readonly problem: string } {
  if (!isRecord(rule)) return { problem: 'it must be an object' };
  const unknown = Object.keys(rule).find((key) => !['type', 'group', 'filter'].includes(key));
  if (unknown !== undefined) return { problem: `there is no "${unknown}"` };
  const { type, group, filter } = rule;
  if (typeof type !== 'string' || type === '') return { problem: 'it needs a "type"' };
  if (typeof group !== 'string' || group === '') return { problem: 'it needs a "group": the name of an attribute' };
  const parsed: { readonly ok: true; readonly value: Filter } | { readonly ok: false; readonly problem: string } =
    filter === undefined ? { ok: true, value: EVERYTHING } : parseFilter(filter);
  return parsed.ok ? { type, group, matches: compile(parsed.value) } : { problem: `its filter: ${parsed.problem}` };
}

/** The groups that a change notifies, each once, and the payloads. */
export function notificationsOf(rules: readonly BridgeRule[], change: FullChange): { readonly group: string; readonly payload: string }[] {
  const groups = new Set<string>();
  for (const rule of rules) {
    if (rule.type !== change.type || !rule.matches(change.state)) continue;
    const named = change.state.attributes[rule.group];
    for (const group of Array.isArray(named) ? named.slice(0, MAX_GROUPS) : [named]) {
      if (typeof group === 'string' && group !== '') groups.add(group);
    }
  }
  if (groups.size === 0) return [];
  const { type, id, action, state } = change;
  const payload = JSON.stringify({ type, id, action, body: state.attributes });
  return [...groups].map((group) => ({ group, payload }));
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
