/** Small parts that every view is made of. */
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Answer, call } from './call.ts';
import { go } from './route.ts';

export function Panel({
  title,
  aside,
  children,
}: {
  readonly title: string;
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  return (
    <section class="panel">
      <header>
        <h2>{title}</h2>
        <div class="aside">{aside}</div>
      </header>
      {children}
    </section>
  );
}

export const Empty = ({ children }: { readonly children: ComponentChildren }) => <p class="empty">{children}</p>;

export const Problem = ({ message }: { readonly message: string | undefined }) =>
  message === undefined || message === '' ? null : (
    <p class="problem" role="alert">
      {message}
    </p>
  );

export const Tag = ({
  kind = 'plain',
  children,
}: {
  readonly kind?: 'plain' | 'good' | 'bad' | 'warn' | 'info';
  readonly children: ComponentChildren;
}) => <span class={`tag ${kind}`}>{children}</span>;

/**
 * Sends the request when it appears, when the URL changes, and on demand. The answer is that of this URL: undefined until it comes.
 * @param everyMs repeats the request every so many milliseconds while the page is visible
 */
export function useAnswer<T>(url: string | undefined, everyMs?: number): { readonly answer: Answer<T> | undefined; reload(): void } {
  const [known, setKnown] = useState<{ readonly url: string; readonly answer: Answer<T> }>();
  const [round, setRound] = useState(0);
  const isPending = useRef(false);
  useEffect(() => {
    if (url === undefined) {
      setKnown(undefined);
      return;
    }
    let isCurrent = true;
    isPending.current = true;
    void call<T>('GET', url).then((got) => {
      if (!isCurrent) return;
      isPending.current = false;
      setKnown({ url, answer: got });
    });
    return () => {
      isCurrent = false;
      isPending.current = false;
    };
  }, [url, round]);
  const reload = () => setRound((before) => before + 1);
  useEffect(() => {
    if (everyMs === undefined) return;
    const again = () => {
      // An answer that takes longer than that would be replaced by the next request each time, and never be shown.
      if (!document.hidden && !isPending.current) reload();
    };
    const timer = setInterval(again, everyMs);
    document.addEventListener('visibilitychange', again);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', again);
    };
  }, [everyMs]);
  return { answer: known !== undefined && known.url === url ? known.answer : undefined, reload };
}

/** A question in the browser's native dialog, which handles keyboard, focus and Escape. */
export function Confirm(props: { readonly question: string; readonly action: string; onYes(): void; onNo(): void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={props.onNo} aria-labelledby="question">
      <p id="question">{props.question}</p>
      <div class="row end">
        <button type="button" onClick={props.onNo}>
          Cancel
        </button>
        <button type="button" class="danger" onClick={props.onYes}>
          {props.action}
        </button>
      </div>
    </dialog>
  );
}

/**
 * A table that scrolls if it is too wide, also by keyboard. A table with actions never scrolls: if it is too wide, each row becomes a list with
 * the headings of the columns above its cells.
 */
export function Table({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  const table = useRef<HTMLTableElement>(null);
  useLayoutEffect(() => {
    const hasActions = table.current?.querySelector('.actions') != null;
    table.current?.classList.toggle('with-actions', hasActions);
    if (!hasActions) return;
    const [head, ...rows] = table.current?.rows ?? [];
    for (const row of rows) {
      for (const [column, cell] of [...row.cells].entries()) cell.dataset.column = head?.cells[column]?.textContent ?? '';
    }
  });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
    <section class="scroll" aria-label={label} tabIndex={0}>
      <table ref={table}>{children}</table>
    </section>
  );
}

const addressOf = (id: string) => `/graph?id=${encodeURIComponent(id)}`;

/** A click on a link within the page, unless the user opens it elsewhere. */
export const following = (address: string) => (event: MouseEvent) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(address);
};

export const Brand = () => (
  <p class="brand">
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <circle cx="16" cy="16" r="4" />
      <path d="M16 12V3M20 17l9 3M18 20l5 8M14 20l-5 8M12 17l-9 3" />
    </svg>
    Polyedge
  </p>
);

/** A link to an element of the graph. */
export const ElementLink = ({ id, children }: { readonly id: string; readonly children: string }) => (
  <a href={addressOf(id)} onClick={following(addressOf(id))}>
    {children}
  </a>
);
