/** One change: its author and origin, and its effect on each attribute. All data of the element is shown as text. */
import { useState } from 'preact/hooks';
import { moment } from './format.ts';
import { Empty } from './parts.tsx';

export interface ChangeState {
  readonly seq: number;
  readonly on: number;
  readonly id: string;
  readonly type: string;
  readonly action: string;
  readonly version: number;
  readonly by: string;
  readonly app: string;
  readonly protocol: string;
  readonly way: string;
  readonly operation: string;
  readonly operationId: string;
  readonly first: number;
  readonly last: number;
  readonly differences: readonly { readonly name: string; readonly before: string | null; readonly after: string | null }[];
  readonly before: string | null;
  readonly after: string | null;
}

export function ChangeView({ change, trace }: { readonly change: ChangeState; readonly trace?: string | undefined }) {
  const [whole, setWhole] = useState(false);
  return (
    <div class="change">
      <dl class="facts">
        <dt>When</dt>
        <dd>{moment(change.on)}</dd>
        <dt>By</dt>
        <dd class="mono">
          {change.by} {change.app === '' ? null : <span class="faint">through {change.app}</span>}
        </dd>
        <dt>Origin</dt>
        <dd>
          {change.protocol}, {change.way}, {change.operation}
        </dd>
        <dt>Operation</dt>
        <dd class="mono">{change.operationId}</dd>
        <dt>Request</dt>
        <dd>{change.first === change.last ? 'one change' : `changes ${change.first} to ${change.last}`}</dd>
        {trace === undefined ? null : (
          <>
            <dt>Trace</dt>
            <dd class="mono">{trace}</dd>
          </>
        )}
      </dl>
      <Differences differences={change.differences} />
      <div class="row">
        <button type="button" aria-expanded={whole} onClick={() => setWhole(!whole)}>
          Before and after
        </button>
      </div>
      {whole ? (
        <div class="columns">
          <State title="Before" attributes={change.before} />
          <State title="After" attributes={change.after} />
        </div>
      ) : null}
    </div>
  );
}

const State = ({ title, attributes }: { readonly title: string; readonly attributes: string | null }) => (
  <section>
    <h3>{title}</h3>
    {attributes === null ? <Empty>It did not exist.</Empty> : <pre class="code">{attributes}</pre>}
  </section>
);

export function Differences({ differences }: Pick<ChangeState, 'differences'>) {
  if (differences.length === 0) return <Empty>No attribute differs.</Empty>;
  return (
    <ul class="differences">
      {differences.map(({ name, before, after }) => (
        <li key={name}>
          <b>{name}</b>
          {before === null ? null : (
            <del>
              <span class="sign">− </span>
              {before}
            </del>
          )}
          {after === null ? null : (
            <ins>
              <span class="sign">+ </span>
              {after}
            </ins>
          )}
        </li>
      ))}
    </ul>
  );
}
