/** Formats the output of `polyedge` as lines. Pure. Control characters in content never reach the terminal. */
import type { GroupView } from '../../services/console/src/live/groups.ts';
import type { JournalView, ProcessView, Sample } from '../../services/console/src/live/process-statuses.ts';
import type { TailRow } from '../../services/console/src/live/tail.ts';

export function statusLines({
  sample,
  processes,
  journals,
}: {
  readonly sample: Sample | null;
  readonly processes: readonly ProcessView[];
  readonly journals: readonly JournalView[];
}): readonly string[] {
  const rows = processes.map((one) => [
    one.service,
    one.instance.slice(0, 6),
    one.silent ? 'silent' : one.ready === true ? 'ready' : one.ready,
    `${Math.round(one.uptimeMs / 1000)} s`,
    `${Math.round(one.cpu * 100)} %`,
    `${Math.round(one.memoryBytes / 1024 / 1024)} MiB`,
    `${one.loopDelayMs.toFixed(1)} ms`,
    String(one.connections),
    one.publisher === true ? 'publishes' : '',
  ]);
  const connections = sample === null ? [] : Object.entries(sample.connections).map(([edge, count]) => `${edge} ${count}`);
  return [
    ...(sample === null
      ? []
      : [
          `head ${sample.head}   changes ${sample.changes}/s   deliveries ${sample.deliveries}/s   lag ${sample.lagMs} ms`,
          `connections   ${connections.join('   ') || 'none'}`,
          '',
        ]),
    ...columns([['SERVICE', 'INSTANCE', 'STATE', 'UP', 'CPU', 'MEMORY', 'LOOP', 'SOCKETS', ''], ...rows]),
    ...(journals.length > 1 ? ['', ...journalLines(journals)] : []),
  ];
}

const journalLines = (journals: readonly JournalView[]): readonly string[] =>
  columns([
    ['JOURNAL', 'STATE', 'LAG', 'MOVES'],
    ...journals.map(({ name, publishes, lagMs, arriving, leaving, copiedPart }) => [
      name,
      publishes ? 'published' : 'nobody publishes',
      `${lagMs} ms`,
      [
        ...(arriving > 0 ? [`${arriving} to here, ${Math.floor(copiedPart * 100)} % copied`] : []),
        ...(leaving > 0 ? [`${leaving} from here`] : []),
      ].join('; '),
    ]),
  ]);

export const tailLine = (row: TailRow): string =>
  plain(
    [
      row.seq,
      new Date(row.on).toISOString().slice(11, 23),
      row.protocol.padEnd(9),
      row.action.padEnd(12),
      row.type,
      row.name ?? row.id,
      row.changed.join(','),
    ].join('  '),
  );

export function groupLines({ groups }: { readonly groups: readonly GroupView[] }): readonly string[] {
  if (groups.length === 0) return ['There is no group.'];
  return columns([
    ['GROUP', 'MEMBERS', 'PARTITIONS', 'OWNED', 'BEHIND'],
    ...groups.map(({ name, members, partitions, lag }) => [
      name,
      String(members.length),
      String(partitions.length),
      String(partitions.filter(({ owner }) => owner !== undefined).length),
      members.length === 0 ? '?' : String(lag),
    ]),
  ]);
}

export interface ListedAccount {
  readonly id: string;
  readonly username: string;
  readonly roles: Readonly<Record<string, readonly string[]>>;
  readonly disabled: boolean;
}

export const accountLines = ({ accounts }: { readonly accounts: readonly ListedAccount[] }): readonly string[] =>
  columns([
    ['USER', 'STATE', 'ROLES', 'ID'],
    ...accounts.map(({ id, username, roles, disabled }) => [
      username,
      disabled ? 'disabled' : 'active',
      Object.entries(roles)
        .map(([protocol, names]) => `${protocol}:${names.join('+')}`)
        .join(' '),
      id,
    ]),
  ]);

interface OpenedElement {
  readonly element: {
    readonly id: string;
    readonly type: string;
    readonly version: number;
    readonly deleted: boolean;
    readonly attributes: string;
  };
  readonly edges: readonly { readonly type: string; readonly out: string; readonly in: string }[];
  readonly history: readonly {
    readonly seq: number;
    readonly action: string;
    readonly version: number;
    readonly on: number;
    readonly protocol: string;
  }[];
}

export function elementLines({ element, edges, history }: OpenedElement): readonly string[] {
  return [
    plain(`${element.id}  ${element.type}  version ${element.version}${element.deleted ? '  deleted' : ''}`),
    ...element.attributes.split('\n').map(plain),
    '',
    ...edges.map(({ type, out, in: into }) => plain(out === element.id ? `-> ${into}  ${type}` : `<- ${out}  ${type}`)),
    ...(edges.length === 0 ? [] : ['']),
    ...history.map(({ seq, action, version, on, protocol }) =>
      plain(`${seq}  ${new Date(on).toISOString()}  ${action}  version ${version}  ${protocol}`),
    ),
  ];
}

interface TenantLine {
  readonly tenant: string;
  readonly journal: string;
  readonly elements: number;
  readonly moving?: { readonly to: string; readonly part: number };
  readonly leftIn?: readonly string[];
}

/** The last column is shown while a move is in progress. */
export function tenantLines(tenants: readonly TenantLine[]): readonly string[] {
  const moves = tenants.map(({ moving, leftIn = [] }) =>
    moving === undefined
      ? leftIn.map((journal) => `is removed from ${journal}`).join(', ')
      : `moves to ${moving.to}: ${Math.floor(moving.part * 100)} %`,
  );
  const more = (text: string): readonly string[] => (moves.some((move) => move !== '') ? [text] : []);
  return columns([
    ['TENANT', 'JOURNAL', 'ELEMENTS', ...more('MOVE')],
    ...tenants.map(({ tenant, journal, elements }, at) => [tenant, journal, String(elements), ...more(moves[at] ?? '')]),
  ]);
}

/** Formats rows as a table. */
function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const shown = rows.map((row) => row.map(plain));
  const widths = shown.reduce<number[]>((most, row) => row.map((cell, at) => Math.max(most[at] ?? 0, cell.length)), []);
  return shown.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** Replaces control characters, which could move a terminal's cursor or worse, by question marks. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is searched
const plain = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '?');
