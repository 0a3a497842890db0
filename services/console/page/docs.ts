/** The search of the documentation: finds sections that contain every word. Loaded on first use. */

type Entry = readonly [path: string, title: string, heading: string, text: string];

const MAX_FOUND = 20;
const AROUND = 60;

let index: Promise<readonly Entry[]> | undefined;
const load = (): Promise<readonly Entry[]> => {
  index ??= fetch('/docs/search.json').then((answer) => answer.json() as Promise<readonly Entry[]>);
  return index;
};

/** Best first: a word in the heading counts more than one in the text. */
function find(entries: readonly Entry[], words: readonly string[]): readonly Entry[] {
  const scored = entries.flatMap((entry) => {
    const [, title, heading, text] = entry;
    const [head, all] = [`${title} ${heading}`.toLowerCase(), `${title} ${heading} ${text}`.toLowerCase()];
    if (!words.every((word) => all.includes(word))) return [];
    return [{ entry, score: words.filter((word) => head.includes(word)).length }];
  });
  return scored
    .sort((one, other) => other.score - one.score)
    .slice(0, MAX_FOUND)
    .map(({ entry }) => entry);
}

function shown([path, title, heading, text]: Entry, word: string): HTMLLIElement {
  const item = document.createElement('li');
  const link = document.createElement('a');
  link.href = path;
  link.textContent = heading === title ? title : `${title}: ${heading}`;
  const at = Math.max(0, text.toLowerCase().indexOf(word) - AROUND);
  const around = document.createElement('span');
  around.className = 'faint';
  around.textContent = text.slice(at, at + 2 * AROUND);
  item.append(link, ' ', around);
  return item;
}

const form = document.querySelector('form[role=search]');
const list = document.getElementById('found');
if (form instanceof HTMLFormElement && list !== null) {
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('input', async () => {
    const typed = new FormData(form).get('text');
    const words = String(typed ?? '')
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== '');
    const found = words.length === 0 ? [] : find(await load(), words);
    // The input may have changed meanwhile.
    if (new FormData(form).get('text') !== typed) return;
    list.replaceChildren(...found.map((entry) => shown(entry, words[0] ?? '')));
    if (words.length > 0 && found.length === 0) list.textContent = 'Nothing was found.';
  });
}
