import { useEffect } from 'preact/hooks';
import type { GroupView } from '../src/live/groups.ts';
import { count, moment } from './format.ts';
import { Empty, Panel, Problem, Tag, useAnswer } from './parts.tsx';

const EVERY_MS = 2_000;

interface Groups {
  readonly seq: number;
  readonly groups: readonly GroupView[];
  /** So many more are not shown. */
  readonly left: number;
}

export function Groups() {
  const { answer, reload } = useAnswer<Groups>('/api/groups');
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
      {answer?.ok === true && answer.value.left > 0 ? <p class="hint">{answer.value.left} more groups are not shown.</p> : null}
    </>
  );
}

function GroupPanel({ group }: { readonly group: GroupView }) {
  const { members, partitions, lag } = group;
  const worst = Math.max(1, lag);
  const numbers = new Map(members.map(({ member }, at) => [member, at + 1]));
  return (
    <Panel
      title={group.name}
      aside={
        <>
          {members.length === 0 ? (
            <Tag>no members</Tag>
          ) : lag === 0 ? (
            <Tag kind="good">up to date</Tag>
          ) : (
            <Tag kind="warn">{count(lag)} behind</Tag>
          )}
          <span class="faint">used {moment(group.touchedOn)}</span>
        </>
      }
    >
      <h3>Members</h3>
      {members.length === 0 ? (
        <Empty>Nobody reads. Positions are kept; whoever joins goes on from there.</Empty>
      ) : (
        <ul class="members">
          {members.map(({ member, edge, partitions: owned }) => (
            <li key={member}>
              <b>{numbers.get(member)}</b> <span class="mono">{member}</span> <span class="faint">on {edge.slice(0, 6)}</span>{' '}
              <Tag>{owned} partitions</Tag>
            </li>
          ))}
        </ul>
      )}
      <h3>Partitions</h3>
      <ul class="partitions">
        {partitions.map((one) => (
          <li key={one.partition}>
            <span class="faint">{one.partition}</span>
            <meter min={0} max={worst} value={one.lag ?? 0} aria-label={`partition ${one.partition}: ${one.lag ?? 'unknown'} behind`} />
            <span>
              {one.lag === undefined ? (
                <span class="faint">at {one.position}</span>
              ) : one.lag === 0 ? (
                `at ${one.position}`
              ) : (
                `−${count(one.lag)}`
              )}{' '}
              <span class="faint">{one.owner === undefined ? 'free' : `→ ${numbers.get(one.owner) ?? '?'}`}</span>
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
