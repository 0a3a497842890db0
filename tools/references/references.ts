/** Finds the references of comments, test titles and documents: sections of the rules, rows of checklists, decisions. Pure; the test reads the files. */

/** A dangling reference and its place. */
export interface Dangling {
  readonly path: string;
  readonly reference: string;
}

export interface Pages {
  /** The pages of rules (`docs/protocols/<name>-rules.md`) by the protocol's name in ids of rows. */
  readonly rules: ReadonlyMap<string, string>;
  readonly delivery: string;
  /** The numbers of the decisions in docs/adr. */
  readonly decisions: ReadonlySet<number>;
}

/** The numbers of a page's headings, such as `4` and `4.4`, and of the numbered rules below a heading of the first level: `2.6`. */
export function sectionsOf(page: string): ReadonlySet<string> {
  const sections = new Set<string>();
  let section: string | undefined;
  for (const line of page.split('\n')) {
    const [, heading] = /^##+ (\d+(?:\.\d+)*)\.? /.exec(line) ?? [];
    if (heading !== undefined) sections.add(heading);
    if (line.startsWith('#')) section = heading?.includes('.') ? undefined : heading;
    const [, rule] = /^(\d+)\. /.exec(line) ?? [];
    if (rule !== undefined && section !== undefined) sections.add(`${section}.${rule}`);
  }
  return sections;
}

/** The ids at the start of a row of a table or list: `F42`, `22`, `T81`, `C10`. */
export const rowsOf = (page: string): ReadonlySet<string> =>
  new Set([...page.matchAll(/^(?:\| |- \*\*)([A-Z]?\d+)(?: \||\*\*:)/gm)].map(([, id = '']) => id));

/** The dangling references of one file. */
export function danglingIn(path: string, source: string, pages: Pages): Dangling[] {
  // A citation may continue in the next line of a comment.
  const text = source.replaceAll(/\n\s*(?:\*|\/\/) ?/g, ' ');
  const references = [...pageCitations(path, text, pages), ...deliveryCitations(text, pages), ...decisionCitations(text, pages)];
  if (path.endsWith('.test.ts')) references.push(...titleIds(path, source, pages));
  return references.map((reference) => ({ path, reference }));
}

const protocolPage =
  /(?:(HIRO|Saga|Good Uncle|SPACE|JSSocket) )?protocol page(?:,? (?:section )?(\d[\d., –]*(?:(?:and|to) \d[\d.]*)?)|, [A-Z])/gi;

/** "protocol page 3.1 and 3.2": of the named protocol, else of the edge that the file belongs to. */
function pageCitations(path: string, text: string, pages: Pages): string[] {
  return [...text.matchAll(protocolPage)].flatMap(([citation, named, numbers]) => {
    const name =
      named?.toLowerCase().replace(' ', '') ??
      /^(?:services\/([a-z]+)-edge\/|docs\/protocols\/([a-z]+)-rules)/.exec(path)?.slice(1).find(Boolean);
    const page = pages.rules.get(name ?? '');
    if (page === undefined || numbers === undefined) return [citation];
    const sections = sectionsOf(page);
    return numbersIn(numbers)
      .filter((number) => !sections.has(number))
      .map((number) => `${citation} (no section ${number})`);
  });
}

const deliveryPage = /delivery(?:\.md),? (?:section )?(\d[\d.]*(?:–\d[\d.]*)?)(?:, "([^"]+)")?/g;

/** `delivery.md 2.6–2.7`, `delivery.md 5, "Own changes"`. */
function deliveryCitations(text: string, pages: Pages): string[] {
  if (!text.includes('delivery')) return [];
  const sections = sectionsOf(pages.delivery);
  return [...text.matchAll(deliveryPage)].flatMap(([citation, numbers = '', quoted = '']) =>
    numbersIn(numbers).every((number) => sections.has(number)) && pages.delivery.includes(quoted) ? [] : [citation],
  );
}

/** `docs/adr/0012`, `adr 11`. NATS's own decisions are written with a hyphen. */
const decisionCitations = (text: string, pages: Pages): string[] =>
  [...text.matchAll(/\badr[ /](\d+)/gi)].filter(([, number]) => !pages.decisions.has(Number(number))).map(([citation]) => citation);

const numbersIn = (text: string): string[] => [...text.matchAll(/\d+(?:\.\d+)*/g)].map(([number]) => number);

const title = /\b(?:test|it|suite)\(\s*(['"`])((?:(?!\1).)*)\1/gs;

/** Ids of rows in test titles: `hiro:E14`; next to Good Uncle's ids also the bare ids of its acceptance tests. */
function titleIds(path: string, source: string, pages: Pages): string[] {
  const missing: string[] = [];
  for (const [, , words = ''] of source.matchAll(title)) {
    for (const [id, protocol = '', row = ''] of words.matchAll(/\b(hiro|saga|space|jssocket|gooduncle):([A-Z]?\d+)\b/g))
      if (!rowsOf(pages.rules.get(protocol) ?? '').has(row)) missing.push(id);
    if (!path.includes('gooduncle') && !words.includes('gooduncle:')) continue;
    for (const [id] of words.matchAll(/\bT\d+\b/g)) if (!rowsOf(pages.rules.get('gooduncle') ?? '').has(id)) missing.push(id);
  }
  return missing;
}

/** The words that exported names do not contain, and the names that may: two paragraphs of the glossary. */
export const avoidedWordsOf = (page: string): { readonly words: ReadonlySet<string>; readonly except: ReadonlySet<string> } => ({
  words: quotedIn(page, 'Exported names do not contain'),
  except: quotedIn(page, 'Channels keep the names'),
});

const quotedIn = (page: string, start: string): ReadonlySet<string> => {
  const paragraph = page.split('\n\n').find((text) => text.startsWith(start)) ?? '';
  return new Set([...paragraph.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word));
};

/** The names that a file exports at its top level, and the fields and methods of its exported classes and types. */
export function exportedNamesIn(source: string): readonly string[] {
  const names: string[] = [];
  // A declaration lasts until the next line that begins at the margin, other than with its own end.
  for (const [declaration, kind = '', name = ''] of source.matchAll(EXPORTED)) {
    names.push(name);
    if (!['class', 'interface', 'type'].includes(kind)) continue;
    for (const [, field, method] of declaration.matchAll(FIELD)) names.push(field ?? method ?? '');
  }
  return names;
}

const EXPORTED = /^export (?:abstract |async )*(function\*?|const|class|interface|type) (\w+).*(?:\n(?![^\s})|&]).*)*/gm;
const FIELD = /\breadonly (\w+)\??:|^ {2}(?:async |get |set |static |\*)*(\w+)\??[:(<]/gm;

/** The words of a name in camel case, in small letters: `MAX_FRAMES` and `maxFrames` are `max`, `frames`. */
export const wordsOfName = (name: string): readonly string[] =>
  (name.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+/g) ?? []).map((word) => word.toLowerCase());

/** The terms of the glossary, each with its names or files in the code. */
export const glossaryOf = (page: string): { readonly term: string; readonly names: readonly string[] }[] =>
  [...page.matchAll(/^- \*\*([^*]+)\*\*((?:.|\n {2})*)/gm)].map(([, term = '', text = '']) => ({
    term,
    names: [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  }));

/** The names of the types, interfaces and classes that a file declares, exported or not. */
export const typesDeclaredIn = (text: string): string[] =>
  [...text.matchAll(/^(?:export )?(?:abstract )?(?:class|interface|type) (\w+)/gm)].map(([, name = '']) => name);
