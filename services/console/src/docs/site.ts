/** All documents as one site: pages under `/docs`, a table of contents, and the search index. */
import { interfacePage } from './interface-page.ts';
import { markdownPage } from './markdown.ts';
import type { DocPage } from './page.ts';
import { type DocSource, readSources } from './sources.ts';
import { escapeHtml } from './text.ts';

/** Parts of the table of contents, in order, with their files. A file belongs to the first part that matches. */
const PARTS: readonly { readonly name: string; readonly anchor: string; readonly takes: RegExp }[] = [
  { name: 'Polyedge', anchor: 'polyedge', takes: /^[A-Z]+\.md$/ },
  { name: 'Protocols', anchor: 'docs-protocols', takes: /^docs\/protocols\// },
  { name: 'Services and packages', anchor: 'services', takes: /^(services|packages)\// },
  { name: 'Bus and sockets (AsyncAPI)', anchor: 'docs-asyncapi', takes: /^docs\/asyncapi\// },
  { name: 'REST (OpenAPI)', anchor: 'docs-openapi', takes: /^docs\/openapi\// },
  { name: 'Decisions', anchor: 'docs-adr', takes: /^docs\/adr\// },
  { name: 'Documents', anchor: 'docs', takes: /^docs\// },
];

export interface Site {
  /** By path. */
  readonly pages: ReadonlyMap<string, DocPage>;
  readonly parts: readonly { readonly name: string; readonly anchor: string; readonly pages: readonly DocPage[] }[];
}

export async function buildSite(root?: string): Promise<Site> {
  const sources = await readSources(root);
  const shown = new Set(sources.map(({ file }) => file));
  const made = sources.flatMap((source) => {
    const page = pageOf(source, shown);
    return page === undefined ? [] : [{ file: source.file, page }];
  });
  const parts = PARTS.map(({ name, anchor, takes }) => ({
    ...{ name, anchor },
    pages: made.filter(({ file }) => PARTS.find((part) => part.takes.test(file))?.takes === takes).map(({ page }) => page),
  }));
  return { pages: new Map(made.map(({ page }) => [page.path, page])), parts: parts.filter(({ pages }) => pages.length > 0) };
}

const pageOf = (source: DocSource, shown: ReadonlySet<string>): DocPage | undefined =>
  source.file.endsWith('.json') ? interfacePage(source) : markdownPage(source, shown);

/** The search index: page, anchor and words of each section. */
export const searchIndex = ({ pages }: Site): string =>
  JSON.stringify(
    [...pages.values()].flatMap(({ path, title, sections }) =>
      sections.map(({ anchor, heading, text }) => [`${path}#${anchor}`, title, heading, text]),
    ),
  );

/**
 * A page in its frame.
 * @param assets paths of the style sheet and the script
 */
export function documentOf(site: Site, page: DocPage, assets: { readonly style: string; readonly script: string }): string {
  const list = site.parts
    .map(({ name, pages }) => {
      const items = pages
        .map(
          ({ path, title }) =>
            `<li><a href="${escapeHtml(path)}"${path === page.path ? ' aria-current="page"' : ''}>${escapeHtml(title)}</a></li>`,
        )
        .join('');
      const open = name === 'Polyedge' || pages.includes(page) ? ' open' : '';
      return `<details${open}><summary>${escapeHtml(name)}</summary><ul>${items}</ul></details>`;
    })
    .join('\n');
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${escapeHtml(page.title)} · Polyedge</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="${assets.style}" />
    <script type="module" src="${assets.script}"></script>
  </head>
  <body class="docs">
    <a class="skip" href="#main">Skip to content</a>
    <header class="bar"><a href="/docs">Polyedge documentation</a> <a href="/">Console</a></header>
    <div class="site">
      <nav aria-label="Documents">
        <form role="search"><label>Search <input type="search" name="text" autocomplete="off" /></label></form>
        <ul id="found" aria-live="polite" aria-label="Found"></ul>
        ${list}
      </nav>
      <main id="main" tabindex="-1">
${page.html}
${page.path === '/docs' ? contents(site) : ''}
      </main>
    </div>
  </body>
</html>
`;
}

/** The table of contents, shown after the first page. */
const contents = ({ parts }: Site): string =>
  parts
    .map(({ name, anchor, pages }) => {
      const items = pages.map(({ path, title }) => `<li><a href="${escapeHtml(path)}">${escapeHtml(title)}</a></li>`).join('');
      return `<h2 id="${escapeHtml(anchor)}">${escapeHtml(name)}</h2><ul>${items}</ul>`;
    })
    .join('\n');

/** Links to missing pages or headings. */
export function brokenLinks({ pages, parts }: Site): readonly string[] {
  const places = new Set([...pages.values()].flatMap(({ path, sections }) => sections.map(({ anchor }) => `${path}#${anchor}`)));
  for (const { anchor } of parts) places.add(`/docs#${anchor}`);
  return [...pages.values()].flatMap(({ path, links }) =>
    links.filter((link) => !(link.includes('#') ? places.has(link) : pages.has(link))).map((link) => `${path}: ${link}`),
  );
}
