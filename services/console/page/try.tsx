import { useEffect, useRef, useState } from 'preact/hooks';
import { call } from './call.ts';
import { clock } from './format.ts';
import { Empty, Problem, Tag } from './parts.tsx';
import { elsewhere, PRESETS, type Preset, socketUrl, withToken } from './presets.ts';

interface Line {
  readonly id: number;
  readonly at: number;
  readonly way: 'sent' | 'received' | 'state';
  readonly text: string;
}

const KEPT = 200;

export function Try({ edges }: { readonly edges: Readonly<Record<string, string>> }) {
  const [name, setName] = useState(PRESETS[0]?.name);
  const preset = PRESETS.find((each) => each.name === name);
  return (
    <>
      <div class="head">
        <h1>Try a protocol</h1>
      </div>
      <fieldset class="tabs">
        <legend class="hidden">Protocol</legend>
        {PRESETS.map((each) => (
          <label key={each.name}>
            <input type="radio" name="protocol" checked={each.name === name} onChange={() => setName(each.name)} />
            <span>{each.name}</span>
          </label>
        ))}
      </fieldset>
      {preset === undefined ? null : edges[preset.edge] === undefined ? (
        <Empty>
          The console was not told where browsers reach this edge. Set CONSOLE_EDGES, such as {preset.edge}=https://{preset.edge}
          .example.org.
        </Empty>
      ) : (
        <Pane key={preset.name} preset={preset} edge={edges[preset.edge] ?? ''} />
      )}
    </>
  );
}

function Pane({ preset, edge }: { readonly preset: Preset; readonly edge: string }) {
  const url = socketUrl(edge, preset.path);
  const [lines, setLines] = useState<readonly Line[]>([]);
  const [frame, setFrame] = useState(preset.examples[0]?.frame ?? '');
  const [state, setState] = useState<'closed' | 'connecting' | 'open'>('closed');
  const [problem, setProblem] = useState<string>();
  const [shown, setShown] = useState(false);
  const socket = useRef<WebSocket>(undefined);
  const token = useRef('');
  const count = useRef(0);
  /** Counts clicks on Connect and Disconnect: a token that comes later than the next one opens nothing. */
  const attempt = useRef(0);
  const disconnect = () => {
    attempt.current += 1;
    socket.current?.close();
    setState('closed');
  };
  useEffect(() => disconnect, []);

  const note = (way: Line['way'], text: string) => {
    count.current += 1;
    const line = { id: count.current, at: Date.now(), way, text: hidden(text, token.current) };
    setLines((before) => [...before.slice(1 - KEPT), line]);
  };
  const connect = async () => {
    setProblem(undefined);
    setState('connecting');
    attempt.current += 1;
    const mine = attempt.current;
    const got = await call<{ readonly token: string }>('POST', '/api/token', {});
    if (attempt.current !== mine) return;
    if (!got.ok) {
      setProblem(got.message);
      setState('closed');
      return;
    }
    token.current = got.value.token;
    const opened = new WebSocket(
      url,
      preset.offers.map((offer) => withToken(offer, token.current)),
    );
    socket.current = opened;
    let beating: number | undefined;
    opened.onopen = () => {
      note('state', 'open');
      if (preset.greeting === undefined) setState('open');
      else {
        opened.send(preset.greeting);
        note('sent', preset.greeting);
      }
      const { beat } = preset;
      if (beat !== undefined) beating = window.setInterval(() => opened.send(beat), 1000);
    };
    opened.onmessage = async ({ data }) => {
      const text = data instanceof Blob ? await data.text() : String(data);
      const reply = preset.reply?.(text);
      if (reply !== undefined) opened.send(reply);
      // Socket.IO closes a connection that sends events before its namespace has answered.
      if (preset.greeting !== undefined && text.startsWith(preset.greeting) && attempt.current === mine) setState('open');
      if (preset.isNoise?.(text) !== true) note('received', text);
    };
    opened.onclose = ({ code, reason }) => {
      clearInterval(beating);
      if (attempt.current === mine) setState('closed');
      note('state', `closed: ${code}${reason === '' ? '' : ` ${reason}`}`);
    };
  };
  const send = () => {
    socket.current?.send(withToken(frame, token.current));
    note('sent', frame);
  };
  return (
    <section class="panel pane" aria-label={preset.name}>
      <header>
        <h2>{preset.name}</h2>
        <div class="aside">
          <Tag kind={state === 'open' ? 'good' : state === 'connecting' ? 'warn' : 'plain'}>{state}</Tag>
          {state === 'closed' ? (
            <button type="button" class="primary" onClick={() => void connect()}>
              Connect
            </button>
          ) : (
            <button type="button" onClick={disconnect}>
              Disconnect
            </button>
          )}
        </div>
      </header>
      <p class="hint">
        {preset.hint} <code>{url}</code>
      </p>
      <Problem message={problem} />
      <div class="row">
        {preset.examples.map((example) => (
          <button type="button" key={example.label} onClick={() => setFrame(example.frame)}>
            {example.label}
          </button>
        ))}
      </div>
      <label>
        Frame; TOKEN stands for your access token
        <textarea class="code" rows={4} spellcheck={false} value={frame} onInput={(event) => setFrame(event.currentTarget.value)} />
      </label>
      <div class="row">
        <button type="button" class="primary" disabled={state !== 'open'} onClick={send}>
          Send
        </button>
        <button type="button" onClick={() => setShown(!shown)} aria-expanded={shown}>
          The same without this page
        </button>
      </div>
      {shown ? <pre class="code">{elsewhere(preset, url, frame)}</pre> : null}
      <ol class="frames" aria-label="Frames" aria-live="polite">
        {lines.length === 0 ? <li class="faint">Frames in both directions appear here.</li> : null}
        {lines.map(({ id, at, way, text }) => (
          <li key={id} class={way}>
            <span class="faint">{clock(at)}</span> <b>{way === 'sent' ? '→' : way === 'received' ? '←' : '·'}</b> <code>{text}</code>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** A token that an edge echoes is not shown. */
const hidden = (text: string, token: string): string => (token === '' ? text : text.replaceAll(token, 'TOKEN'));
