import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import './style.css';
import { Accounts } from './accounts.tsx';
import { call, whenLoggedOut } from './call.ts';
import { Connections } from './connections.tsx';
import { forgetToken } from './edge-call.ts';
import { Graph } from './graph.tsx';
import { Groups } from './groups.tsx';
import { Login } from './login.tsx';
import type { Me } from './me.ts';
import { Now } from './now.tsx';
import { Brand, following } from './parts.tsx';
import { useAddress } from './route.ts';
import { Runnables } from './runnables.tsx';
import { Space } from './space.tsx';
import { Tail } from './tail.tsx';
import { Try } from './try.tsx';

interface ViewOf {
  readonly path: string;
  readonly name: string;
  /** Shown only if the service is available. */
  readonly needs?: keyof Me['offers'];
}

const VIEWS: readonly ViewOf[] = [
  { path: '/', name: 'Now' },
  { path: '/tail', name: 'Live tail' },
  { path: '/graph', name: 'Graph' },
  { path: '/groups', name: 'Groups' },
  { path: '/connections', name: 'Connections' },
  { path: '/accounts', name: 'Accounts' },
  { path: '/runnables', name: 'Runnables', needs: 'runnables' },
  { path: '/space', name: 'SPACE', needs: 'space' },
  { path: '/try', name: 'Try a protocol' },
];
/** How long before its end a session is renewed, while the page is open. */
const RENEW_BEFORE_MS = 120_000;
const LONGEST_WAIT_MS = 30 * 60_000;
/** After a renewal that got no answer. */
const RENEW_AGAIN_MS = 10_000;

function App() {
  const [me, setMe] = useState<Me | 'unknown' | 'nobody'>('unknown');
  const [over, setOver] = useState(false);
  const [failedRenewals, setFailedRenewals] = useState(0);
  const { path } = useAddress();
  const end = () => {
    forgetToken();
    setMe('nobody');
  };
  const load = async () => {
    const got = await call<Me>('GET', '/api/session');
    if (got.ok) setMe(got.value);
    else end();
    return got;
  };
  useEffect(() => {
    whenLoggedOut(() => {
      setOver(true);
      end();
    });
    void load();
  }, []);
  const expiresAt = typeof me === 'object' ? me.expiresAt : undefined;
  const renew = async () => {
    const renewed = await call<undefined>('PUT', '/api/session');
    const got = renewed.ok ? await call<Me>('GET', '/api/session') : renewed;
    if (got.ok) {
      setFailedRenewals(0);
      setMe(got.value);
    } else if (got.status === 401 || got.status === 403) {
      setOver(true);
      end();
    } else setFailedRenewals((before) => before + 1);
  };
  useEffect(() => {
    if (expiresAt === undefined) return;
    const due = Math.min(LONGEST_WAIT_MS, Math.max(1000, expiresAt - Date.now() - RENEW_BEFORE_MS));
    // What is being typed is not lost to a renewal without an answer: the session has not ended.
    const timer = setTimeout(() => void renew(), failedRenewals === 0 ? due : RENEW_AGAIN_MS);
    return () => clearTimeout(timer);
  }, [expiresAt, failedRenewals]);
  useEffect(() => {
    const view = VIEWS.find((each) => each.path === path);
    document.querySelector('nav [aria-current=page]')?.scrollIntoView({ inline: 'center', block: 'nearest' });
    document.title = `${view?.name ?? 'Not found'} · Polyedge`;
  }, [path]);

  if (me === 'unknown') return <p class="boot">Loading …</p>;
  if (me === 'nobody') return <Login over={over} onDone={load} />;
  const logOut = async () => {
    await call('DELETE', '/api/session');
    setOver(false);
    end();
  };
  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <nav aria-label="Views">
        <Brand />
        <ul>
          {VIEWS.filter(({ needs }) => needs === undefined || me.offers[needs]).map((view) => (
            <li key={view.path}>
              <a href={view.path} aria-current={view.path === path ? 'page' : undefined} onClick={following(view.path)}>
                {view.name}
              </a>
            </li>
          ))}
          <li>
            <a href="/docs">Documentation</a>
          </li>
        </ul>
        <div class="who">
          <span title={`tenant ${me.tenant}`}>{me.username}</span>
          <button type="button" class="quiet" onClick={() => void logOut()}>
            Log out
          </button>
        </div>
      </nav>
      <main id="main" tabIndex={-1}>
        <View path={path} me={me} />
      </main>
    </div>
  );
}

function View({ path, me }: { readonly path: string; readonly me: Me }) {
  switch (path) {
    case '/':
      return <Now />;
    case '/tail':
      return <Tail />;
    case '/graph':
      return <Graph />;
    case '/groups':
      return <Groups />;
    case '/connections':
      return <Connections />;
    case '/accounts':
      return <Accounts me={me} />;
    case '/runnables':
      return <Runnables saga={me.edges.saga} />;
    case '/space':
      return <Space space={me.edges.space} />;
    case '/try':
      return <Try edges={me.edges} />;
    default:
      return <h1>There is nothing under this address</h1>;
  }
}

const root = document.getElementById('app');
if (root !== null) {
  root.replaceChildren();
  render(<App />, root);
}
