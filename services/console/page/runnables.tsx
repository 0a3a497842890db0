/** Saga's scripts and jobs: the list, and one of them with its code, versions, calls and logs. */
import { useEffect, useState } from 'preact/hooks';
import type { Answer } from './call.ts';
import { Empty, following, Panel, Problem, Table, Tag } from './parts.tsx';
import { go, useAddress } from './route.ts';
import { type Runnable, RunnableEditor, type RunnableType } from './runnable.tsx';
import { callSaga } from './saga.ts';

const MAX_SHOWN = 200;
const KINDS: readonly RunnableType[] = ['scripts', 'jobs'];
const FRESH = {
  scripts: {
    name: 'new script',
    path: '/users/properties/score',
    body: "console.log('changed', property.value);",
    enabled: false,
    logging: true,
  },
  jobs: { name: 'new job', body: "console.log('ran');", schedule: '0 * * * *', enabled: false, logging: true },
} as const;

const addressOf = (kind: RunnableType, id: string) => `/runnables?${new URLSearchParams({ kind, id })}`;

export function Runnables({ saga }: { readonly saga: string | undefined }) {
  const { query } = useAddress();
  const id = query.get('id');
  const kind = query.get('kind') === 'jobs' ? 'jobs' : 'scripts';
  return (
    <>
      <div class="head">
        <h1>Runnables</h1>
      </div>
      {saga === undefined ? (
        <Empty>The console was not told where browsers reach saga-edge. Set CONSOLE_EDGES, such as saga=https://saga.example.org.</Empty>
      ) : id === null ? (
        KINDS.map((each) => <List key={each} saga={saga} kind={each} />)
      ) : (
        <RunnableEditor key={id} saga={saga} kind={kind} id={id} onGone={() => go('/runnables')} />
      )}
    </>
  );
}

function List({ saga, kind }: { readonly saga: string; readonly kind: RunnableType }) {
  const [answer, setAnswer] = useState<Answer<readonly Runnable[]>>();
  const [problem, setProblem] = useState<string>();
  const [making, setMaking] = useState(false);
  useEffect(() => {
    let isCurrent = true;
    void callSaga<readonly Runnable[]>(saga, 'GET', `/${kind}?limit=${MAX_SHOWN}`).then((got) => isCurrent && setAnswer(got));
    return () => {
      isCurrent = false;
    };
  }, [saga, kind]);
  const make = async () => {
    setMaking(true);
    const made = await callSaga<Runnable>(saga, 'POST', `/${kind}`, FRESH[kind]);
    if (made.ok) go(addressOf(kind, made.value._id));
    else setProblem(made.message);
    setMaking(false);
  };
  const title = kind === 'scripts' ? 'Scripts' : 'Jobs';
  return (
    <Panel
      title={title}
      aside={
        <button type="button" disabled={making} onClick={() => void make()}>
          {kind === 'scripts' ? 'New script' : 'New job'}
        </button>
      }
    >
      <Problem message={problem} />
      {answer === undefined ? (
        <Empty>Loading …</Empty>
      ) : !answer.ok ? (
        <Problem message={answer.message} />
      ) : answer.value.length === 0 ? (
        <Empty>{kind === 'scripts' ? 'There is no script.' : 'There is no job.'}</Empty>
      ) : (
        <Table label={title}>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">{kind === 'scripts' ? 'Path' : 'Schedule'}</th>
              <th scope="col">State</th>
              <th scope="col" class="number">
                Version
              </th>
            </tr>
          </thead>
          <tbody>
            {answer.value.map((one) => (
              <tr key={one._id}>
                <th scope="row" class="wide">
                  <a href={addressOf(kind, one._id)} onClick={following(addressOf(kind, one._id))}>
                    {one.name === '' ? one._id : one.name}
                  </a>
                </th>
                <td class="mono">{one.path ?? one.schedule ?? '–'}</td>
                <td>{one.enabled ? <Tag kind="good">enabled</Tag> : <Tag>off</Tag>}</td>
                <td class="number">{one.version}</td>
              </tr>
            ))}
          </tbody>
        </Table>
      )}
    </Panel>
  );
}
