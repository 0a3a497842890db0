import { useEffect, useState } from 'preact/hooks';
import type { JournalView, ProcessView, Sample } from '../src/live/process-statuses.ts';
import { listen } from './call.ts';
import { Chart, type Series } from './chart.tsx';
import { bytes, count, duration, millis } from './format.ts';
import { Empty, Panel, Table, Tag } from './parts.tsx';

const KEPT = 600;

interface State {
  readonly samples: readonly Sample[];
  readonly processes: readonly ProcessView[];
  readonly journals: readonly JournalView[];
}

interface Told extends Omit<State, 'samples'> {
  readonly sample: Sample;
}

export function Now() {
  const [state, setState] = useState<State>({ samples: [], processes: [], journals: [] });
  const [connected, setConnected] = useState(true);
  useEffect(
    () =>
      listen(
        () => '/api/now',
        {
          history: (data: State) => setState(data),
          sample: ({ sample, ...running }: Told) =>
            setState((before) => ({ samples: [...before.samples.slice(1 - KEPT), sample], ...running })),
        },
        setConnected,
      ),
    [],
  );
  const { samples, processes, journals } = state;
  const times = samples.map(({ at }) => at / 1000);
  const newest = samples.at(-1);
  const edges = [...new Set(samples.flatMap(({ connections }) => Object.keys(connections)))].sort();
  const line = (label: string, color: number, of: (sample: Sample) => number, format: (value: number) => string): Series => ({
    label,
    color,
    values: samples.map(of),
    now: newest === undefined ? '–' : format(of(newest)),
  });
  const open = newest === undefined ? 0 : Object.values(newest.connections).reduce((sum, value) => sum + value, 0);
  const waiting = processes.filter(({ ready, silent }) => ready !== true || silent).length;
  return (
    <>
      <div class="head">
        <h1>Now</h1>
        {connected ? <Tag kind="good">live</Tag> : <Tag kind="bad">reconnecting</Tag>}
      </div>
      <dl class="tiles">
        <Tile
          name="Processes"
          value={String(processes.length)}
          note={waiting === 0 ? 'all ready' : `${waiting} not ready`}
          bad={waiting > 0}
        />
        <Tile
          name="Connections"
          value={count(open)}
          note={`${bytes(newest?.bytesIn ?? 0)}/s in, ${bytes(newest?.bufferedBytes ?? 0)} owed`}
        />
        <Tile name="Changes" value={`${count(newest?.changes ?? 0)} /s`} note={`head ${newest?.head ?? 0}`} />
        <Tile name="Deliveries" value={`${count(newest?.deliveries ?? 0)} /s`} note={`lag ${millis(newest?.lagMs ?? 0)}`} />
      </dl>
      <div class="charts">
        <Chart
          title="Traffic"
          times={times}
          format={count}
          series={[
            line('changes/s', 1, (one) => one.changes, count),
            line('deliveries/s', 2, (one) => one.deliveries, count),
            line('messages in/s', 3, (one) => one.frames, count),
          ]}
        />
        <Chart
          title="Connections"
          times={times}
          format={count}
          series={
            edges.length === 0
              ? [line('open', 1, () => 0, count)]
              : edges.map((edge, at) => line(edge, (at % 5) + 1, ({ connections }) => connections[edge] ?? 0, count))
          }
        />
        <Chart title="Event loop" times={times} format={millis} series={[line('worst delay', 4, (one) => one.loopDelayMs, millis)]} />
        <Chart
          title="Processor"
          times={times}
          format={(value) => value.toFixed(1)}
          series={[
            line(
              'cores in use',
              5,
              (one) => one.cpu,
              (value) => value.toFixed(2),
            ),
          ]}
        />
      </div>
      {journals.length > 1 ? (
        <Panel title="Journals">
          <Journals journals={journals} />
        </Panel>
      ) : null}
      <Panel title="Processes">
        {processes.length === 0 ? <Empty>No process has said anything yet.</Empty> : <Processes processes={processes} />}
      </Panel>
    </>
  );
}

const Tile = (props: { readonly name: string; readonly value: string; readonly note: string; readonly bad?: boolean }) => (
  <div class="tile">
    <dt>{props.name}</dt>
    <dd>
      <strong>{props.value}</strong>
      <span class={props.bad === true ? 'bad' : ''}>{props.note}</span>
    </dd>
  </div>
);

const Journals = ({ journals }: { readonly journals: readonly JournalView[] }) => (
  <Table label="Journals">
    <thead>
      <tr>
        <th scope="col">Journal</th>
        <th scope="col">State</th>
        <th scope="col" class="number">
          Lag
        </th>
        <th scope="col">Moves of organizations</th>
      </tr>
    </thead>
    <tbody>
      {journals.map(({ name, publishes, lagMs, arriving, leaving, copiedPart }) => (
        <tr key={name}>
          <th scope="row">{name}</th>
          <td>{publishes ? <Tag kind="good">published</Tag> : <Tag kind="bad">nobody publishes</Tag>}</td>
          <td class="number">{millis(lagMs)}</td>
          <td>
            {arriving > 0 ? `${arriving} to here, ${Math.floor(copiedPart * 100)} % copied ` : ''}
            {leaving > 0 ? `${leaving} from here` : ''}
          </td>
        </tr>
      ))}
    </tbody>
  </Table>
);

const Processes = ({ processes }: { readonly processes: readonly ProcessView[] }) => (
  <Table label="Processes">
    <thead>
      <tr>
        <th scope="col">Service</th>
        <th scope="col">State</th>
        <th scope="col">Up</th>
        <th scope="col" class="number">
          CPU
        </th>
        <th scope="col" class="number">
          Memory
        </th>
        <th scope="col" class="number">
          Loop delay
        </th>
        <th scope="col" class="number">
          Sockets
        </th>
        <th scope="col" class="number">
          In /s
        </th>
        <th scope="col" class="number">
          Out /s
        </th>
      </tr>
    </thead>
    <tbody>
      {processes.map((one) => (
        <tr key={one.instance}>
          <th scope="row">
            {one.service}{' '}
            <span class="faint">
              {one.instance.slice(0, 6)} · {one.version}
            </span>
          </th>
          <td>
            {one.silent ? (
              <Tag kind="bad">silent</Tag>
            ) : one.ready === true ? (
              <Tag kind="good">ready</Tag>
            ) : (
              <Tag kind="warn">{one.ready}</Tag>
            )}{' '}
            {one.publisher === true ? <Tag kind="info">publishes</Tag> : null}
          </td>
          <td>{duration(one.uptimeMs)}</td>
          <td class="number">{Math.round(one.cpu * 100)} %</td>
          <td class="number">{bytes(one.memoryBytes)}</td>
          <td class="number">{millis(one.loopDelayMs)}</td>
          <td class="number">{count(one.connections)}</td>
          <td class="number">{count(one.framesPerS)}</td>
          <td class="number">{count(one.deliveriesPerS)}</td>
        </tr>
      ))}
    </tbody>
  </Table>
);
