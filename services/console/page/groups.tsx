import { useState } from 'preact/hooks';
import type { GroupView, MemberView } from '../src/live/groups.ts';
import { call } from './call.ts';
import { count, duration, moment } from './format.ts';
import { Confirm, Empty, Panel, Problem, Table, Tag, useAnswer } from './parts.tsx';

const EVERY_MS = 2_000;

interface Groups {
  readonly seq: number;
  readonly groups: readonly GroupView[];
  /** Number of those not shown. */
  readonly left: number;
}

interface ConfirmedAction {
  readonly what: 'smallest' | 'largest' | 'delete';
  readonly group: GroupView;
}

export function Groups() {
  const { answer, reload } = useAnswer<Groups>('/api/groups', EVERY_MS);
  const [asked, setAsked] = useState<ConfirmedAction>();
  const [problem, setProblem] = useState<string>();
  const carryOut = async () => {
    if (asked === undefined) return;
    const { what, group } = asked;
    setAsked(undefined);
    const at = `/api/groups/${group.id}`;
    const done = what === 'delete' ? await call('DELETE', at) : await call('POST', `${at}/reset`, { to: what });
    setProblem(done.ok ? undefined : done.message);
    reload();
  };
  return (
    <>
      <div class="head">
        <h1>Groups</h1>
        {answer?.ok === true ? <Tag>newest commit {answer.value.seq}</Tag> : null}
      </div>
      <Problem message={problem} />
      {answer === undefined ? (
        <Empty>Loading …</Empty>
      ) : !answer.ok ? (
        <Problem message={answer.message} />
      ) : answer.value.groups.length === 0 ? (
        <Panel title="Consumer groups">
          <Empty>There is no group. A HIRO client makes one by registering with a group id.</Empty>
        </Panel>
      ) : (
        answer.value.groups.map((group) => <GroupPanel key={group.name} group={group} onAsk={(what) => setAsked({ what, group })} />)
      )}
      {answer?.ok === true && answer.value.left > 0 ? <p class="hint">{answer.value.left} more groups are not shown.</p> : null}
      {asked === undefined ? null : <Confirm {...questionOf(asked)} onYes={() => void carryOut()} onNo={() => setAsked(undefined)} />}
    </>
  );
}

function questionOf({ what, group: { name } }: ConfirmedAction): { readonly question: string; readonly action: string } {
  const members = 'Its members are disconnected and come back by themselves.';
  switch (what) {
    case 'smallest':
      return {
        question: `Reset ${name} to the oldest change that is kept? Everything since is delivered to it again. ${members}`,
        action: 'Reset to smallest',
      };
    case 'largest':
      return {
        question: `Reset ${name} to the newest change? What it has not read yet is never delivered to it. ${members}`,
        action: 'Reset to largest',
      };
    case 'delete':
      return { question: `Delete ${name} and its positions? ${members} They make a new group of that name.`, action: 'Delete group' };
  }
}

function GroupPanel({ group, onAsk }: { readonly group: GroupView; onAsk(what: ConfirmedAction['what']): void }) {
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
        <Table label={`Members of ${group.name}`}>
          <thead>
            <tr>
              <th scope="col">Member</th>
              <th scope="col">User</th>
              <th scope="col">From</th>
              <th scope="col">Last pong</th>
              <th scope="col" class="number">
                Partitions
              </th>
            </tr>
          </thead>
          <tbody>
            {members.map((one) => (
              <MemberRow key={one.member} number={numbers.get(one.member) ?? 0} member={one} />
            ))}
          </tbody>
        </Table>
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
      {group.internal ? (
        <p class="hint">A service of Polyedge reads with it; it can be neither reset nor deleted.</p>
      ) : (
        <div class="row">
          <button type="button" onClick={() => onAsk('smallest')}>
            Reset to smallest
          </button>
          <button type="button" onClick={() => onAsk('largest')}>
            Reset to largest
          </button>
          <button type="button" onClick={() => onAsk('delete')}>
            Delete
          </button>
        </div>
      )}
    </Panel>
  );
}

const MemberRow = ({ number, member: { member, edge, partitions, client } }: { readonly number: number; readonly member: MemberView }) => (
  <tr>
    <th scope="row">
      {number} <span class="mono faint">{member.startsWith(edge) ? `${edge.slice(0, 6)}${member.slice(edge.length)}` : member}</span>
    </th>
    <td>{client?.username ?? <span class="faint">–</span>}</td>
    <td class="mono">{client?.address ?? <span class="faint">–</span>}</td>
    <td>
      {client === undefined ? '–' : client.pongOn === undefined ? 'none yet' : `${duration(Math.max(0, Date.now() - client.pongOn))} ago`}
    </td>
    <td class="number">{partitions}</td>
  </tr>
);
