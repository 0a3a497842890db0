/** The frames that clients of each protocol receive for a change, side by side. Made by the edges themselves; shown as text. */
import type { ProtocolFrames } from '../src/http/frames.ts';
import { Empty, Problem, Tag, useAnswer } from './parts.tsx';

const NAMES: Readonly<Record<string, string>> = {
  hiro: 'HIRO',
  saga: 'Saga',
  space: 'SPACE',
  gooduncle: 'Good Uncle',
  jssocket: 'JSSocket',
};

export function Frames({ seq }: { readonly seq: number }) {
  const { answer } = useAnswer<{ readonly protocols: readonly ProtocolFrames[] }>(`/api/changes/${seq}/frames`);
  return (
    <>
      <h3>What clients are sent</h3>
      {answer === undefined ? (
        <Empty>Asking the edges …</Empty>
      ) : !answer.ok ? (
        <Problem message={answer.message} />
      ) : (
        <div class="side-by-side">
          {answer.value.protocols.map((one) => (
            <Protocol key={one.protocol} {...one} />
          ))}
        </div>
      )}
    </>
  );
}

const Protocol = ({ protocol, frames, problem }: ProtocolFrames) => (
  <section aria-label={`Frames of ${NAMES[protocol] ?? protocol}`}>
    <h4>{NAMES[protocol] ?? protocol}</h4>
    {problem === undefined ? null : <Problem message={problem} />}
    {frames.length === 0 && problem === undefined ? <p class="faint">Nothing: the change is not of this protocol.</p> : null}
    {frames.map(({ to, text, cut }) => (
      <figure key={to}>
        <figcaption>
          {to} {cut === true ? <Tag kind="warn">the beginning</Tag> : null}
        </figcaption>
        <pre class="code">{text}</pre>
      </figure>
    ))}
  </section>
);
