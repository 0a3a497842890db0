/** One script or job: its code to edit, its versions to restore, its last calls and its live logs. */
import { useEffect, useState } from 'preact/hooks';
import type { Answer } from './call.ts';
import { clock, millis, moment } from './format.ts';
import { Confirm, Empty, Panel, Problem, Table, Tag } from './parts.tsx';
import { callSaga, subscribeToSaga } from './saga.ts';

export type RunnableType = 'scripts' | 'jobs';

export interface Runnable {
  readonly _id: string;
  readonly name: string;
  readonly body: string;
  readonly path?: string;
  readonly schedule?: string;
  readonly timezone?: string;
  readonly enabled: boolean;
  readonly logging: boolean;
  readonly version: number;
}

interface Version {
  readonly _id: string;
  readonly version: number;
  readonly createdAt: string;
}

interface Call {
  readonly _id: string;
  readonly started_at: string;
  readonly duration: number;
  readonly success: boolean;
  readonly error: { readonly message: string } | null;
}

interface Log {
  readonly _id: string;
  readonly level: string;
  readonly message: string;
  readonly createdAt: string;
  readonly runnable_id?: string;
}

const [MAX_CALLS, MAX_LOGS, MAX_VERSIONS] = [20, 200, 20];
const LEVELS: Readonly<Record<string, 'bad' | 'warn' | 'plain'>> = { error: 'bad', warn: 'warn' };

/** The newest items, each once, as it is first in the list. What is read after a lost connection may be newer than what came before. */
function newest<T extends { readonly _id: string }>(items: readonly T[], on: (item: T) => string, most: number): readonly T[] {
  const once = new Map(items.toReversed().map((item) => [item._id, item]));
  return [...once.values()]
    .reverse()
    .sort((one, other) => Date.parse(on(other)) - Date.parse(on(one)))
    .slice(0, most);
}
const newestCalls = (calls: readonly Call[]) => newest(calls, ({ started_at }) => started_at, MAX_CALLS);
const newestLogs = (logs: readonly Log[]) => newest(logs, ({ createdAt }) => createdAt, MAX_LOGS);

interface EditorProps {
  readonly saga: string;
  readonly kind: RunnableType;
  readonly id: string;
  onGone(): void;
}

export function RunnableEditor({ saga, kind, id, onGone }: EditorProps) {
  const at = `/${kind}/${encodeURIComponent(id)}`;
  const [runnable, setRunnable] = useState<Answer<Runnable>>();
  const [versions, setVersions] = useState<readonly Version[]>([]);
  const [calls, setCalls] = useState<readonly Call[]>([]);
  const [logs, setLogs] = useState<readonly Log[]>([]);
  const [live, setLive] = useState(false);
  const [said, setSaid] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const [removing, setRemoving] = useState(false);
  const [isBusy, setBusy] = useState(false);

  const load = async () => {
    const [one, saved] = await Promise.all([
      callSaga<Runnable>(saga, 'GET', at),
      callSaga<readonly Version[]>(saga, 'GET', `${at}/versions?limit=${MAX_VERSIONS}`),
    ]);
    setRunnable(one);
    if (saved.ok) setVersions(saved.value);
  };
  useEffect(() => {
    void load();
    // Joins before reading: what happens in between is in both, and everything earlier in the result of the read.
    return subscribeToSaga(
      saga,
      [
        [`/${kind}/runnable_calls/join`, id],
        [`/${kind}/runnable_logs/join`, id],
      ],
      {
        event: (name, body) => {
          if (name === '/runnable_calls') setCalls((before) => newestCalls([body as Call, ...before]));
          if (name === '/runnable_logs') setLogs((before) => newestLogs([body as Log, ...before]));
        },
        state: (isLive) => {
          setLive(isLive);
          if (!isLive) return;
          void callSaga<readonly Call[]>(saga, 'GET', `${at}/runnable_calls?limit=${MAX_CALLS}`).then(
            (got) => got.ok && setCalls((before) => newestCalls([...before, ...got.value])),
          );
          void callSaga<readonly Log[]>(saga, 'GET', `${at}/runnable_logs?limit=${MAX_LOGS}`).then(
            (got) => got.ok && setLogs((before) => newestLogs([...before, ...got.value])),
          );
        },
      },
    );
  }, [saga, kind, id]);

  const carryOut = async (sentence: string, method: 'POST' | 'PUT', path: string, body?: object) => {
    setBusy(true);
    const done = await callSaga(saga, method, path, body);
    setProblem(done.ok ? undefined : done.message);
    setSaid(done.ok ? sentence : undefined);
    // Only a change, since the form is made anew from what is read: what was typed before a run stays.
    if (done.ok && method === 'PUT') await load();
    setBusy(false);
  };
  const remove = async () => {
    setRemoving(false);
    const done = await callSaga(saga, 'DELETE', at);
    if (done.ok) onGone();
    else setProblem(done.message);
  };
  if (runnable === undefined) return <Empty>Loading …</Empty>;
  if (!runnable.ok) return <Problem message={runnable.message} />;
  const one = runnable.value;
  return (
    <>
      <Panel
        title={one.name === '' ? id : one.name}
        aside={
          <>
            <Tag>version {one.version}</Tag>
            <button
              type="button"
              class="primary"
              disabled={isBusy}
              onClick={() => void carryOut('It was started.', 'POST', `${at}/run`, {})}
            >
              Run now
            </button>
            <button type="button" onClick={() => setRemoving(true)}>
              Delete
            </button>
          </>
        }
      >
        <Problem message={problem} />
        {said === undefined ? null : (
          <p class="hint" role="status">
            {said}
          </p>
        )}
        <Editor
          key={one.version}
          kind={kind}
          runnable={one}
          isBusy={isBusy}
          onSave={(body) => void carryOut('It is saved.', 'PUT', at, body)}
        />
      </Panel>
      <div class="columns">
        <Panel title="Last calls" aside={live ? <Tag kind="good">live</Tag> : <Tag kind="warn">joining</Tag>}>
          <Calls calls={calls} />
        </Panel>
        <Panel title="Versions">
          <Versions
            versions={versions}
            now={one.version}
            isBusy={isBusy}
            onRestore={(version) => void carryOut('It is restored.', 'PUT', `${at}/versions/${version}/restore`)}
          />
        </Panel>
      </div>
      <Panel title="Logs" aside={one.logging ? null : <span class="faint">logging is off</span>}>
        <ol class="frames" aria-label="Logs, newest first" aria-live="polite">
          {logs.length === 0 ? <li class="faint">What the code writes to its console appears here, with logging on.</li> : null}
          {logs.map(({ _id, level, message, createdAt }) => (
            <li key={_id}>
              <span class="faint">{clock(Date.parse(createdAt))}</span> <Tag kind={LEVELS[level] ?? 'plain'}>{level}</Tag>{' '}
              <code>{message}</code>
            </li>
          ))}
        </ol>
      </Panel>
      {removing ? (
        <Confirm
          question={`Delete ${one.name}? Nothing fires it any more. What it did stays in the history.`}
          action={kind === 'scripts' ? 'Delete script' : 'Delete job'}
          onYes={() => void remove()}
          onNo={() => setRemoving(false)}
        />
      ) : null}
    </>
  );
}

interface FormProps {
  readonly kind: RunnableType;
  readonly runnable: Runnable;
  /** The form is made anew from the version that is saved or restored, so nothing can be typed meanwhile. */
  readonly isBusy: boolean;
  onSave(body: object): void;
}

function Editor({ kind, runnable, isBusy, onSave }: FormProps) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (isBusy || !(event.currentTarget instanceof HTMLFormElement)) return;
    const fields = new FormData(event.currentTarget);
    const text = (name: string) => String(fields.get(name) ?? '');
    const when = kind === 'scripts' ? { path: text('path') } : { schedule: text('schedule') };
    const flags = { enabled: fields.has('enabled'), logging: fields.has('logging') };
    onSave({ name: text('name'), body: text('body'), ...when, ...flags });
  };
  const where = kind === 'scripts' ? { name: 'path', label: 'Path that fires it' } : { name: 'schedule', label: 'Schedule (cron)' };
  return (
    <form class="fields" onSubmit={submit}>
      <label>
        Name
        <input name="name" readOnly={isBusy} defaultValue={runnable.name} />
      </label>
      <label>
        {where.label}
        <input name={where.name} class="mono" required readOnly={isBusy} defaultValue={runnable.path ?? runnable.schedule ?? ''} />
      </label>
      <label>
        Code
        <textarea name="body" class="code" rows={14} spellcheck={false} readOnly={isBusy} defaultValue={runnable.body} />
      </label>
      <label class="check">
        <input type="checkbox" name="enabled" disabled={isBusy} defaultChecked={runnable.enabled} /> Enabled
      </label>
      <label class="check">
        <input type="checkbox" name="logging" disabled={isBusy} defaultChecked={runnable.logging} /> Keep what it writes to its console
      </label>
      <div class="row">
        <button type="submit" class="primary" disabled={isBusy}>
          Save
        </button>
      </div>
    </form>
  );
}

const Calls = ({ calls }: { readonly calls: readonly Call[] }) =>
  calls.length === 0 ? (
    <Empty>It has not run yet.</Empty>
  ) : (
    <Table label="Last calls">
      <thead>
        <tr>
          <th scope="col">Started</th>
          <th scope="col">Outcome</th>
          <th scope="col" class="number">
            Took
          </th>
        </tr>
      </thead>
      <tbody>
        {calls.map(({ _id, started_at, duration, success, error }) => (
          <tr key={_id}>
            <td>{moment(Date.parse(started_at))}</td>
            <td class="wide">
              {success ? <Tag kind="good">ok</Tag> : <Tag kind="bad">failed</Tag>} {error === null ? null : error.message}
            </td>
            <td class="number">{millis(duration)}</td>
          </tr>
        ))}
      </tbody>
    </Table>
  );

interface VersionsProps {
  readonly versions: readonly Version[];
  readonly now: number;
  readonly isBusy: boolean;
  onRestore(id: string): void;
}

const Versions = ({ versions, now, isBusy, onRestore }: VersionsProps) => (
  <ul class="edges">
    {versions.map(({ _id, version, createdAt }) => (
      <li key={_id}>
        <b>{version}</b> <span class="faint">{moment(Date.parse(createdAt))}</span>{' '}
        {version === now ? (
          <Tag kind="info">current</Tag>
        ) : (
          <button type="button" disabled={isBusy} aria-label={`Restore version ${version}`} onClick={() => onRestore(_id)}>
            Restore
          </button>
        )}
      </li>
    ))}
  </ul>
);
