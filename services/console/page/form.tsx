/** Forms that are opened on a page, and closed when what they ask for is done. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Answer } from './call.ts';
import { Panel, Problem } from './parts.tsx';

export interface FormProps {
  onDone(said: string): void;
  onCancel(): void;
  /** What was submitted is refused, and the form is not shown any more. */
  onLateProblem(problem: string): void;
}

/** A form in a panel: submits once at a time, and shows why it was refused. */
export function Form(
  props: FormProps & {
    readonly title: string;
    readonly action: string;
    readonly said: string;
    readonly children: ComponentChildren;
    submit(fields: FormData): Promise<Answer<unknown>>;
  },
) {
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const isOpen = useRef(true);
  useEffect(
    () => () => {
      isOpen.current = false;
    },
    [],
  );
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (busy || !(event.currentTarget instanceof HTMLFormElement)) return;
    setBusy(true);
    const done = await props.submit(new FormData(event.currentTarget));
    setBusy(false);
    if (done.ok) props.onDone(props.said);
    else if (isOpen.current) setProblem(done.message);
    else props.onLateProblem(`${props.title}: ${done.message}`);
  };
  return (
    <Panel title={props.title}>
      <form class="fields" onSubmit={(event) => void submit(event)}>
        {props.children}
        <Problem message={problem} />
        <div class="row">
          <button type="submit" class="primary" disabled={busy}>
            {props.action}
          </button>
          <button type="button" onClick={props.onCancel}>
            Cancel
          </button>
        </div>
      </form>
    </Panel>
  );
}
