/** Pages of the console without a browser: they ask what those of a browser ask while they are in sight, and drop the answers. */

export type Question =
  /** Opens `pages` (paths below `/api`): those in `everyMs` ask again and again, the others have a stream. Answered when all have begun. */
  | {
      readonly ask: 'open';
      readonly url: string;
      readonly token: string;
      readonly pages: readonly string[];
      readonly everyMs: Readonly<Record<string, number>>;
    }
  | { readonly ask: 'close' };

let ended = new AbortController();
let timers: NodeJS.Timeout[] = [];

async function open({ url, token, pages, everyMs }: Extract<Question, { ask: 'open' }>): Promise<void> {
  const { signal } = ended;
  const get = async (page: string): Promise<Response> => {
    const response = await fetch(`${url}/api/${page}`, { headers: { authorization: `Bearer ${token}` }, signal });
    if (!response.ok) throw new Error(`${page}: HTTP ${response.status}`);
    return response;
  };
  for (const page of pages) {
    const response = await get(page);
    void drain(response);
    const ms = everyMs[page];
    if (ms !== undefined) timers.push(setInterval(() => void get(page).then(drain, () => undefined), ms));
  }
}

async function drain({ body }: Response): Promise<void> {
  try {
    for await (const _ of body ?? []);
  } catch {
    // It was ended, as it should be.
  }
}

function close(): void {
  for (const timer of timers) clearInterval(timer);
  timers = [];
  ended.abort();
  ended = new AbortController();
}

process.on('message', (question: Question) => {
  if (question.ask === 'open') void open(question).then(() => process.send?.(true));
  else process.send?.(close() ?? true);
});
process.send?.({ ready: true });
