/** Pages of interface documents, AsyncAPI 3 and OpenAPI 3.1: every channel or path with its input and output. */
import type { DocPage, Section } from './page.ts';
import { type DocSource, pathOf } from './sources.ts';
import { anchors, escapeHtml } from './text.ts';

type Plain = Readonly<Record<string, unknown>>;

const objectOf = (value: unknown): Plain => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Plain) : {});
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Undefined for JSON that is neither. */
export function interfacePage({ file, text }: DocSource): DocPage | undefined {
  const document = objectOf(JSON.parse(text));
  const parts = document.asyncapi !== undefined ? channelsOf(document) : document.openapi !== undefined ? pathsOf(document) : undefined;
  if (parts === undefined) return undefined;
  const { title, description } = objectOf(document.info);
  const name = textOf(title);
  const anchorFor = anchors();
  const sections = parts.map((part) => ({ ...part, anchor: anchorFor(part.heading) }));
  const list = sections.map(({ anchor, heading }) => `<li><a href="#${escapeHtml(anchor)}">${escapeHtml(heading)}</a></li>`).join('');
  const body = sections
    .map(({ anchor, heading, summary, details }) => {
      const shown = details.map(({ name: of, value }) => `<details><summary>${escapeHtml(of)}</summary>${json(value)}</details>`).join('');
      return `<h2 id="${escapeHtml(anchor)}"><code>${escapeHtml(heading)}</code></h2><p>${escapeHtml(summary)}</p>${shown}`;
    })
    .join('\n');
  return {
    path: pathOf(file),
    title: name,
    html: `<h1 id="top">${escapeHtml(name)}</h1><p>${escapeHtml(textOf(description))}</p><details><summary>Contents</summary><ul>${list}</ul></details>${body}`,
    sections: sections.map(({ anchor, heading, summary }): Section => ({ anchor, heading, text: summary })),
    links: sections.map(({ anchor }) => `${pathOf(file)}#${anchor}`),
    sources: [],
  };
}

interface PageSection {
  readonly heading: string;
  readonly summary: string;
  readonly details: readonly { readonly name: string; readonly value: unknown }[];
}

function channelsOf({ channels, operations }: Plain): readonly PageSection[] {
  return Object.entries(objectOf(channels)).map(([key, value]) => {
    const { address, summary, messages } = objectOf(value);
    const own = Object.values(objectOf(operations))
      .map(objectOf)
      .filter(({ channel }) => textOf(objectOf(channel).$ref) === `#/channels/${key}`);
    const actions = [...new Set(own.map(({ action }) => textOf(action)))].join(', ');
    return {
      heading: textOf(address) === '' ? key : textOf(address),
      summary: [actions === '' ? '' : `(${actions})`, textOf(summary)].filter((part) => part !== '').join(' '),
      details: Object.entries(objectOf(messages)).map(([name, message]) => ({
        name: titleOf(name, message),
        value: objectOf(message).payload,
      })),
    };
  });
}

const titleOf = (name: string, message: unknown): string => {
  const { summary, title } = objectOf(message);
  return [textOf(title) === '' ? name : textOf(title), textOf(summary)].filter((part) => part !== '').join(': ');
};

function pathsOf({ paths }: Plain): readonly PageSection[] {
  return Object.entries(objectOf(paths)).flatMap(([path, methods]) =>
    Object.entries(objectOf(methods)).map(([method, value]) => {
      const { summary, description, parameters, requestBody, responses } = objectOf(value);
      const details = Object.entries({ parameters, requestBody, responses }).filter(([, one]) => one !== undefined);
      return {
        heading: `${method.toUpperCase()} ${path}`,
        summary: [textOf(summary), textOf(description)].filter((part) => part !== '').join(' '),
        details: details.map(([name, one]) => ({ name: NAMES[name] ?? name, value: one })),
      };
    }),
  );
}

const NAMES: Readonly<Record<string, string>> = { parameters: 'Parameters', requestBody: 'Body', responses: 'Answers' };

const json = (value: unknown): string => `<pre class="code" tabindex="0">${escapeHtml(JSON.stringify(value, undefined, 2) ?? '')}</pre>`;
