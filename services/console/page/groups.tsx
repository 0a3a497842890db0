import { useEffect } from 'preact/hooks';
import { count, moment } from './format.ts';
import { Empty, Panel, Problem, Tag, useAnswer } from './parts.tsx';

interface Group {
  readonly name: string;
  readonly createdOn: number;
  readonly touchedOn: number;
  readonly lag: number;
  readonly partitions: readonly { readonly partition: number; readonly position: number; readonly lag: number }[];
}

const EVERY_MS = 2_000;

export function Groups() {
  const { answer, reload } = useAnswer<{ readonly seq: number; readonly groups: readonly Group[] }>('/api/groups');
  useEffect(() => {
    const timer = setInterval(reload, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <>
      <div class="head">
        <h1>Groups</h1>
        {answer?.ok === true ? <Tag>newest commit {answer.value.seq}</Tag> : null}
      </div>
      {answer === undefined ? (
        <Empty>Loading …</Empty>
      ) : !answer.ok ? (
        <Problem message={answer.message} />
      ) : answer.value.groups.length === 0 ? (
        <Panel title="Consumer groups">
          <Empty>There is no group. A HIRO client makes one by registering with a group id.</Empty>
        </Panel>
      ) : (
        answer.value.groups.map((group) => <GroupPanel key={group.name} group={group} />)
      )}
    </>
  );
}

function GroupPanel({ group }: { readonly group: Group }) {
  const worst = Math.max(1, group.lag);
  return (
    <Panel
      title={group.name}
      aside={
        <>
          {group.lag === 0 ? <Tag kind="good">up to date</Tag> : <Tag kind="warn">{count(group.lag)} behind</Tag>}
          <span class="faint">used {moment(group.touchedOn)}</span>
        </>
      }
    >
      <ul class="partitions" aria-label="Partitions">
        {group.partitions.map(({ partition, position, lag }) => (
          <li key={partition}>
            <span>{partition}</span>
            <meter min={0} max={worst} value={lag} aria-label={`partition ${partition}: ${lag} behind`} />
            <span class="faint">
              {position} {lag === 0 ? '' : `(−${count(lag)})`}
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
