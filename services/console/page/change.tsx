/** One change: who did what, and what it did to each attribute. Everything that comes from an element is text. */
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

export function ChangeView({ change }: { readonly change: ChangeState }) {
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
      </dl>
      <Differences differences={change.differences} />
    </div>
  );
}

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
