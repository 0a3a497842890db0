import { Component } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { TailRow } from '../src/live/tail.ts';
import { listen } from './call.ts';
import { type ChangeState, ChangeView } from './change.tsx';
import { clock } from './format.ts';
import { Frames } from './frames.tsx';
import { Empty, Problem, Table, Tag, useAnswer } from './parts.tsx';
import { go } from './route.ts';

const KEPT = 500;
/** A table of more rows takes a browser long to lay out each time a row comes in. */
const SHOWN = 100;
/** Many changes at once are rendered together. */
const RENDER_MS = 250;
const PROTOCOLS = ['hiro', 'saga', 'space', 'gooduncle', 'console'];
const FIELDS = [
  { name: 'type', label: 'Type contains' },
  { name: 'id', label: 'Id contains' },
  { name: 'actor', label: 'Account or application' },
] as const;

/** Labels of actions, and their colours. */
const KINDS: Readonly<Record<string, 'good' | 'bad' | 'info' | 'plain'>> = {
  create: 'good',
  connect: 'good',
  delete: 'bad',
  disconnect: 'bad',
};

/** Each row once: what a page missed while it was away and what is live meanwhile may overlap. */
const newestFirst = (rows: readonly TailRow[]): readonly TailRow[] =>
  [...new Map(rows.map((row) => [row.seq, row])).values()].sort((one, other) => other.seq - one.seq).slice(0, KEPT);

export function Tail() {
  const [filter, setFilter] = useState<Readonly<Record<string, string>>>({});
  const [rows, setRows] = useState<readonly TailRow[]>([]);
  const [paused, setPaused] = useState(false);
  const [skipped, setSkipped] = useState(0);
  const [since, setSince] = useState<number>();
  const [connected, setConnected] = useState(true);
  const [opened, setOpened] = useState<TailRow>();
  const [isLong, setLong] = useState(false);
  const pausedNow = useRef(paused);
  pausedNow.current = paused;
  const held = useRef<TailRow[]>([]);
  /** Where the tail goes on after it was away: what came later is asked for. */
  const seen = useRef<number | undefined>(undefined);
  const filters = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== '')).toString();

  const show = () => {
    const fresh = held.current.splice(0);
    setRows((before) => newestFirst([...fresh, ...before]));
  };
  useEffect(() => {
    held.current = [];
    seen.current = undefined;
    setRows([]);
    setSkipped(0);
    let due = false;
    let renderedAt = 0;
    const soon = () => {
      if (due) return;
      due = true;
      const waitMs = renderedAt + RENDER_MS - performance.now();
      setTimeout(() => {
        due = false;
        renderedAt = performance.now();
        if (!pausedNow.current) show();
      }, waitMs);
    };
    const passed = (seq: number) => {
      seen.current = Math.max(seen.current ?? 0, seq);
    };
    return listen(
      () => `/api/tail?${filters}${seen.current === undefined ? '' : `&since=${seen.current}`}`,
      {
        live: ({ seq }: { readonly seq: number }) => {
          setSince(seq);
          passed(seq);
        },
        change: (row: TailRow) => {
          held.current.push(row);
          passed(row.seq);
          if (held.current.length > KEPT) held.current.shift();
          soon();
        },
        skipped: ({ count }: { readonly count: number }) => setSkipped((before) => before + count),
      },
      setConnected,
    );
  }, [filters]);

  const resume = () => {
    show();
    setPaused(false);
  };
  const set = (name: string, value: string) => setFilter((before) => ({ ...before, [name]: value }));
  return (
    <>
      <div class="head">
        <h1>Live tail</h1>
        {!connected ? (
          <Tag kind="bad">reconnecting</Tag>
        ) : paused ? (
          <Tag kind="warn">paused</Tag>
        ) : since === undefined ? (
          <Tag kind="warn">joining</Tag>
        ) : (
          <Tag kind="good">live</Tag>
        )}
        <button type="button" class="push" onClick={() => (paused ? resume() : setPaused(true))}>
          {paused ? 'Resume' : 'Pause'}
        </button>
      </div>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        {FIELDS.map(({ name, label }) => (
          <label key={name}>
            {label}
            <input onChange={(event) => set(name, event.currentTarget.value)} />
          </label>
        ))}
        <label>
          Protocol
          <select value={filter.protocol ?? ''} onChange={(event) => set('protocol', event.currentTarget.value)}>
            <option value="">any</option>
            {PROTOCOLS.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </form>
      {skipped > 0 ? <p class="hint">Up to {skipped} more changes than can be read were left out. A filter shows more.</p> : null}
      <div class={opened === undefined ? '' : 'split'}>
        <section class="panel" aria-label="Changes">
          {rows.length === 0 ? (
            <Empty>
              {since === undefined
                ? 'Joining the feed …'
                : `Waiting for changes after ${since}. What any protocol writes appears here as it commits.`}
            </Empty>
          ) : (
            <Table label="Changes, newest first">
              <thead>
                <tr>
                  <th scope="col" class="number">
                    Seq
                  </th>
                  <th scope="col">Time</th>
                  <th scope="col">Protocol</th>
                  <th scope="col">Action</th>
                  <th scope="col">Element</th>
                  <th scope="col">Changed</th>
                </tr>
              </thead>
              <tbody>
                {(isLong ? rows : rows.slice(0, SHOWN)).map((row) => (
                  <TableRow key={row.seq} row={row} isChosen={opened?.seq === row.seq} onOpen={setOpened} />
                ))}
              </tbody>
            </Table>
          )}
          {rows.length > SHOWN ? (
            <button type="button" class="quiet" aria-expanded={isLong} onClick={() => setLong(!isLong)}>
              {isLong ? 'Show fewer' : `Show ${rows.length - SHOWN} older`}
            </button>
          ) : null}
        </section>
        {opened === undefined ? null : <Opened row={opened} onClose={() => setOpened(undefined)} />}
      </div>
    </>
  );
}

interface RowProps {
  readonly row: TailRow;
  readonly isChosen: boolean;
  onOpen(row: TailRow): void;
}

/** A row does not change, so it is rendered again only when it is chosen or no longer is. */
class TableRow extends Component<RowProps> {
  override shouldComponentUpdate({ isChosen }: RowProps): boolean {
    return isChosen !== this.props.isChosen;
  }

  render({ row, isChosen, onOpen }: RowProps) {
    return (
      <tr class={isChosen ? 'chosen' : ''}>
        <td class="number">
          <button type="button" class="link" aria-label={`Open change ${row.seq}`} onClick={() => onOpen(row)}>
            {row.seq}
          </button>
        </td>
        <td>{clock(row.on)}</td>
        <td>{row.protocol}</td>
        <td>
          <Tag kind={KINDS[row.action] ?? 'plain'}>{row.action}</Tag>
        </td>
        <td class="wide">
          <b>{row.name ?? row.id}</b> <span class="faint">{row.type}</span>
        </td>
        <td class="faint wide">{row.changed.join(', ')}</td>
      </tr>
    );
  }
}

function Opened({ row, onClose }: { readonly row: TailRow; onClose(): void }) {
  const { answer } = useAnswer<ChangeState>(`/api/changes/${row.seq}`);
  return (
    <section class="panel detail" aria-label={`Change ${row.seq}`}>
      <header>
        <h2>Change {row.seq}</h2>
        <div class="aside">
          <button type="button" onClick={() => go(`/graph?id=${encodeURIComponent(row.id)}`)}>
            Open element
          </button>
          <button type="button" class="quiet" onClick={onClose}>
            Close
          </button>
        </div>
      </header>
      {answer === undefined ? (
        <Empty>Loading …</Empty>
      ) : answer.ok ? (
        <>
          <ChangeView change={answer.value} trace={row.trace} />
          <Frames seq={row.seq} />
        </>
      ) : (
        <Problem message={answer.message} />
      )}
    </section>
  );
}
