import { useState } from 'preact/hooks';
import type { FoundConnection, FoundConnections } from '../src/live/connections.ts';
import { call } from './call.ts';
import { bytes, count, duration } from './format.ts';
import { Confirm, Empty, Panel, Problem, Table, Tag, useAnswer } from './parts.tsx';

const EVERY_MS = 3_000;
/** Unsent bytes from which a client counts as slow. */
const SLOW_BYTES = 256 * 1024;

export function Connections() {
  const [text, setText] = useState('');
  const [slow, setSlow] = useState(false);
  const [asked, setAsked] = useState<{ readonly what: 'close' | 'revoke'; readonly connection: FoundConnection }>();
  const [problem, setProblem] = useState<string>();
  const { answer, reload } = useAnswer<FoundConnections>(
    `/api/connections?${new URLSearchParams({ text, ...(slow ? { owed: String(SLOW_BYTES) } : {}) })}`,
    EVERY_MS,
  );
  const carryOut = async () => {
    if (asked === undefined) return;
    const { instance, api, number, account } = asked.connection;
    setAsked(undefined);
    const done =
      asked.what === 'close'
        ? await call('POST', '/api/connections/close', { instance, api, number })
        : await call('POST', `/api/accounts/${encodeURIComponent(account ?? '')}/revoke`);
    setProblem(done.ok ? undefined : done.message);
    setTimeout(reload, 300);
  };
  return (
    <>
      <div class="head">
        <h1>Connections</h1>
        {answer?.ok === true ? <Tag>{count(answer.value.matching)} found</Tag> : null}
      </div>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          User, account or address
          <input onChange={(event) => setText(event.currentTarget.value)} />
        </label>
        <label class="check">
          <input type="checkbox" checked={slow} onChange={(event) => setSlow(event.currentTarget.checked)} /> Slow readers only
        </label>
      </form>
      <Problem message={problem} />
      {answer?.ok === true && answer.value.missing > 0 ? <p class="hint">{answer.value.missing} edges did not answer in time.</p> : null}
      <Panel title="Open sockets" aside={<span class="faint">those that are owed most first</span>}>
        {answer === undefined ? (
          <Empty>Asking the edges …</Empty>
        ) : !answer.ok ? (
          <Problem message={answer.message} />
        ) : answer.value.connections.length === 0 ? (
          <Empty>{text === '' && !slow ? 'Nobody is connected.' : 'No connection fits.'}</Empty>
        ) : (
          <Table label="Open sockets">
            <thead>
              <tr>
                <th scope="col">Who</th>
                <th scope="col">Speaks</th>
                <th scope="col">From</th>
                <th scope="col">Since</th>
                <th scope="col" class="number">
                  Subscriptions
                </th>
                <th scope="col" class="number">
                  Owed
                </th>
                <th scope="col">Actions</th>
              </tr>
            </thead>
            <tbody>
              {answer.value.connections.map((one) => (
                <tr key={`${one.instance} ${one.api} ${one.number}`}>
                  <th scope="row" class="wide">
                    {one.username ?? <span class="faint">not logged in</span>}
                  </th>
                  <td class="wide">
                    {one.api} <span class="faint">{one.instance.slice(0, 6)}</span> {one.member ? <Tag kind="info">group</Tag> : null}
                  </td>
                  <td class="mono">{one.address}</td>
                  <td>{duration(Math.max(0, Date.now() - one.since))}</td>
                  <td class="number">{one.subscriptions}</td>
                  <td class="number">
                    {bytes(one.bufferedBytes)} {one.bufferedBytes >= SLOW_BYTES ? <Tag kind="warn">slow</Tag> : null}
                  </td>
                  <td class="actions">
                    <button type="button" onClick={() => setAsked({ what: 'close', connection: one })}>
                      Close
                    </button>
                    {one.account === undefined ? null : (
                      <button type="button" onClick={() => setAsked({ what: 'revoke', connection: one })}>
                        Revoke
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </Table>
        )}
      </Panel>
      {asked === undefined ? null : (
        <Confirm
          question={
            asked.what === 'close'
              ? `Close this connection of ${asked.connection.username ?? asked.connection.address}? The client may come back.`
              : `End every login of ${asked.connection.username}? All of its connections on all edges close, and its tokens are worth nothing.`
          }
          action={asked.what === 'close' ? 'Close connection' : 'Revoke'}
          onYes={() => void carryOut()}
          onNo={() => setAsked(undefined)}
        />
      )}
    </>
  );
}
