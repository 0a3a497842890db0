import { useState } from 'preact/hooks';
import { call } from './call.ts';
import { type ChangeState, Differences } from './change.tsx';
import { moment } from './format.ts';
import { around, type Edge } from './layout.ts';
import { ElementLink, Empty, Panel, Problem, Table, Tag, useAnswer } from './parts.tsx';
import { go, useAddress } from './route.ts';

interface Summary {
  readonly id: string;
  readonly kind: 'vertex' | 'edge';
  readonly type: string;
  readonly version: number;
  readonly deleted: boolean;
  readonly on: number;
  readonly name?: string;
}

interface OpenedElement {
  readonly element: {
    readonly id: string;
    readonly kind: 'vertex' | 'edge';
    readonly type: string;
    readonly scope: string;
    readonly version: number;
    readonly deleted: boolean;
    readonly name?: string;
    readonly attributes: string;
    readonly out?: string;
    readonly in?: string;
    readonly modified: { readonly on: number; readonly by: string };
  };
  readonly edges: readonly Edge[];
  readonly edgeCount: number;
  readonly neighbours: readonly Summary[];
  readonly history: readonly ChangeState[];
  readonly more: boolean;
}

export function Graph() {
  const { query } = useAddress();
  const id = query.get('id');
  return (
    <>
      <div class="head">
        <h1>Graph</h1>
      </div>
      <Search text={query.get('text') ?? ''} type={query.get('type') ?? ''} hidden={id !== null} />
      {id === null ? null : <Element key={id} id={id} />}
    </>
  );
}

function Search({ text, type, hidden }: { readonly text: string; readonly type: string; readonly hidden: boolean }) {
  const { answer } = useAnswer<{ readonly elements: readonly Summary[] }>(
    hidden ? undefined : `/api/elements?${new URLSearchParams({ text, type })}`,
  );
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement)) return;
    const fields = new FormData(event.currentTarget);
    go(`/graph?${new URLSearchParams({ text: String(fields.get('text')), type: String(fields.get('type')) })}`);
  };
  return (
    <>
      <form class="filters" onSubmit={submit}>
        <label>
          Name or id
          <input name="text" defaultValue={text} />
        </label>
        <label>
          Type contains
          <input name="type" defaultValue={type} />
        </label>
        <button type="submit" class="primary">
          Search
        </button>
      </form>
      {hidden ? null : (
        <Panel title="Elements" aside={<span class="faint">newest change first</span>}>
          {answer === undefined ? (
            <Empty>Searching …</Empty>
          ) : !answer.ok ? (
            <Problem message={answer.message} />
          ) : answer.value.elements.length === 0 ? (
            <Empty>Nothing fits. Leave both fields empty to see the newest elements.</Empty>
          ) : (
            <Table label="Elements">
              <thead>
                <tr>
                  <th scope="col">Element</th>
                  <th scope="col">Type</th>
                  <th scope="col">Changed</th>
                  <th scope="col" class="number">
                    Version
                  </th>
                </tr>
              </thead>
              <tbody>
                {answer.value.elements.map((one) => (
                  <tr key={one.id}>
                    <th scope="row" class="wide">
                      <ElementLink id={one.id}>{one.name ?? one.id}</ElementLink>
                    </th>
                    <td>{one.type}</td>
                    <td>{moment(one.on)}</td>
                    <td class="number">{one.version}</td>
                  </tr>
                ))}
              </tbody>
            </Table>
          )}
        </Panel>
      )}
    </>
  );
}

function Element({ id }: { readonly id: string }) {
  const { answer, reload } = useAnswer<OpenedElement>(`/api/element?id=${encodeURIComponent(id)}`);
  if (answer === undefined) return <Empty>Loading …</Empty>;
  if (!answer.ok) return <Problem message={answer.message} />;
  const { element, edges, edgeCount, neighbours, history, more } = answer.value;
  const names = new Map(neighbours.map((one) => [one.id, one.name ?? one.id]));
  return (
    <>
      <div class="columns">
        <Panel
          title={element.name ?? element.id}
          aside={element.deleted ? <Tag kind="bad">deleted</Tag> : <Tag>version {element.version}</Tag>}
        >
          <dl class="facts">
            <dt>Id</dt>
            <dd class="mono">{element.id}</dd>
            <dt>Type</dt>
            <dd>
              {element.type} <span class="faint">{element.kind}</span>
            </dd>
            <dt>Scope</dt>
            <dd class="mono">{element.scope}</dd>
            <dt>Changed</dt>
            <dd>
              {moment(element.modified.on)} <span class="faint">by {element.modified.by}</span>
            </dd>
          </dl>
          <Attributes element={element} onSaved={reload} />
        </Panel>
        <Panel title="Edges" aside={<span class="faint">{edgeCount > edges.length ? `${edges.length} of ${edgeCount}` : edgeCount}</span>}>
          {edges.length === 0 ? (
            <Empty>Nothing is connected to it.</Empty>
          ) : (
            <Around id={element.id} label={element.name ?? element.id} edges={edges} names={names} />
          )}
        </Panel>
      </div>
      <Panel title="History" aside={more ? <span class="faint">the newest {history.length}</span> : null}>
        {history.length === 0 ? (
          <Empty>The journal keeps nothing of it any more.</Empty>
        ) : (
          <ol class="history">
            {history.map((change) => (
              <li key={change.seq}>
                <p>
                  <Tag>{change.action}</Tag> version {change.version} · {moment(change.on)} · {change.protocol}{' '}
                  <span class="faint">
                    seq {change.seq}, by {change.by}
                  </span>
                </p>
                <Differences differences={change.differences} />
              </li>
            ))}
          </ol>
        )}
      </Panel>
    </>
  );
}

function Attributes({ element, onSaved }: { readonly element: OpenedElement['element']; onSaved(): void }) {
  /** What is edited, with the version that it is a change of: a newer one may be drawn meanwhile. */
  const [edited, setEdited] = useState<{ readonly text: string; readonly version: number }>();
  const [problem, setProblem] = useState<string>();
  const [saving, setSaving] = useState(false);
  const close = () => {
    setEdited(undefined);
    setProblem(undefined);
  };
  if (edited === undefined) {
    return (
      <>
        <pre class="code">{element.attributes}</pre>
        {element.deleted ? null : (
          <div class="row">
            <button type="button" onClick={() => setEdited({ text: element.attributes, version: element.version })}>
              Edit
            </button>
          </div>
        )}
      </>
    );
  }
  const { text, version } = edited;
  const save = async () => {
    try {
      JSON.parse(text);
    } catch (error) {
      setProblem(`This is not JSON: ${error instanceof Error ? error.message : ''}`);
      return;
    }
    setSaving(true);
    // As text, so that integers beyond 2^53 stay exact.
    const answer = await call(
      'PUT',
      `/api/element?id=${encodeURIComponent(element.id)}`,
      undefined,
      `{"version":${version},"attributes":${text}}`,
    );
    setSaving(false);
    if (!answer.ok) {
      setProblem(answer.message);
      return;
    }
    close();
    onSaved();
  };
  return (
    <>
      <label>
        Attributes
        <textarea
          class="code"
          rows={12}
          spellcheck={false}
          readOnly={saving}
          value={text}
          onInput={(event) => setEdited({ text: event.currentTarget.value, version })}
        />
      </label>
      <Problem message={problem} />
      <div class="row">
        <button type="button" class="primary" disabled={saving} onClick={() => void save()}>
          Save
        </button>
        <button type="button" disabled={saving} onClick={close}>
          Cancel
        </button>
      </div>
    </>
  );
}

const [WIDTH, HEIGHT] = [460, 320];
const short = (text: string) => (text.length > 18 ? `${text.slice(0, 17)}…` : text);

/** The picture is decorative; the list below has the same content. */
function Around({
  id,
  label,
  edges,
  names,
}: {
  readonly id: string;
  readonly label: string;
  readonly edges: readonly Edge[];
  readonly names: ReadonlyMap<string, string>;
}) {
  const nodes = around(id, edges, WIDTH, HEIGHT);
  return (
    <>
      <svg class="around" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
        {nodes.map(({ id: node, x, y, from }) => (
          <line key={node} x1={WIDTH / 2} y1={HEIGHT / 2} x2={x} y2={y} class={from ? 'in' : 'out'} />
        ))}
        {nodes.map(({ id: node, x, y }) => (
          <g key={node}>
            <circle cx={x} cy={y} r="7" />
            <text x={x} y={y + 20}>
              {short(names.get(node) ?? node)}
            </text>
          </g>
        ))}
        <circle cx={WIDTH / 2} cy={HEIGHT / 2} r="11" class="centre" />
        <text x={WIDTH / 2} y={HEIGHT / 2 + 26} class="centre">
          {short(label)}
        </text>
      </svg>
      <ul class="edges">
        {edges.map((edge) => {
          const other = edge.out === id ? edge.in : edge.out;
          return (
            <li key={edge.id}>
              {edge.out === id ? 'to ' : 'from '}
              <ElementLink id={other}>{names.get(other) ?? other}</ElementLink> <span class="faint">{edge.type}</span>
            </li>
          );
        })}
      </ul>
    </>
  );
}
