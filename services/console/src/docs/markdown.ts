/**
 * Converts a Markdown document to a page. Links to other documents lead to their pages; links to sources become plain names, since the
 * console does not serve them.
 */
import { posix } from 'node:path';
import { Marked, type Tokens } from 'marked';
import type { DocPage, Section } from './page.ts';
import { type DocSource, pathOf } from './sources.ts';
import { anchors, escapeHtml } from './text.ts';

/** @param shown files with a page */
export function markdownPage({ file, text }: DocSource, shown: ReadonlySet<string>): DocPage {
  const anchorFor = anchors();
  const links: string[] = [];
  const sources: string[] = [];
  const sections: { anchor: string; heading: string; text: string }[] = [];
  const marked = new Marked({ gfm: true });
  marked.use({
    walkTokens: (token) => {
      if (token.type === 'heading') sections.push({ anchor: '', heading: plain(token.text), text: '' });
      const last = sections.at(-1);
      if (last !== undefined && ['paragraph', 'list_item', 'code', 'table'].includes(token.type)) last.text += ` ${plain(token.raw)}`;
    },
    renderer: {
      heading({ tokens, depth, text: heading }: Tokens.Heading) {
        const anchor = anchorFor(plain(heading));
        return `<h${depth} id="${escapeHtml(anchor)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }: Tokens.Link) {
        const label = this.parser.parseInline(tokens);
        if (/^https?:/.test(href)) return `<a href="${escapeHtml(href)}" rel="noreferrer">${label}</a>`;
        const target = targetOf(file, href, shown);
        if (target === undefined) {
          sources.push(fileOf(file, href));
          return `<span class="source" title="${escapeHtml(href)}">${label}</span>`;
        }
        links.push(target);
        return `<a href="${escapeHtml(target)}">${label}</a>`;
      },
      // Documents contain no HTML; anything that looks like HTML is text.
      html: ({ text: raw }: Tokens.HTML | Tokens.Tag) => escapeHtml(raw),
      image: ({ text: label }: Tokens.Image) => escapeHtml(label),
      table(token: Tokens.Table) {
        const row = (cells: readonly Tokens.TableCell[], tag: 'th' | 'td') =>
          `<tr>${cells.map(({ tokens }) => `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`).join('')}</tr>`;
        const body = token.rows.map((cells) => row(cells, 'td')).join('');
        return `<div class="scroll" tabindex="0" role="group" aria-label="Table"><table><thead>${row(token.header, 'th')}</thead><tbody>${body}</tbody></table></div>`;
      },
      code: ({ text: code }: Tokens.Code) => `<pre class="code" tabindex="0"><code>${escapeHtml(code)}</code></pre>`,
    },
  });
  const html = marked.parse(text, { async: false });
  const found = anchors();
  const named = sections.map((section): Section => ({ ...section, anchor: found(section.heading), text: section.text.trim() }));
  return { path: pathOf(file), title: named[0]?.heading ?? file, html, sections: named, links, sources };
}

/** The target of a relative link within the site; undefined for a file without a page. */
function targetOf(file: string, href: string, shown: ReadonlySet<string>): string | undefined {
  const [path = '', anchor] = href.split('#');
  const hash = anchor === undefined ? '' : `#${anchor}`;
  if (path === '') return `${pathOf(file)}${hash}`;
  const target = fileOf(file, path);
  const page = [target, `${target}/README.md`, `${target}.md`].find((one) => shown.has(one));
  if (page !== undefined) return `${pathOf(page)}${hash}`;
  // A folder of documents has a list of them.
  return [...shown].some((one) => one.startsWith(`${target}/`)) ? `/docs#${target.replaceAll('/', '-')}` : undefined;
}

/** The path of a relative link's file, from the root. */
const fileOf = (file: string, href: string): string => posix.join(posix.dirname(file), href.replace(/#.*$/, '')).replace(/\/$/, '');

/** A text without its Markdown formatting. */
const plain = (text: string): string =>
  text
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[`*|]/g, '')
    .replace(/\s+/g, ' ')
    .trim();
