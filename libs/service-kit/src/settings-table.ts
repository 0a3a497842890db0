/** Documents settings: the table of the command line, a `.env` file, the list in Markdown. Never shows a current value. */
import { namesOf } from './config.ts';
import type { Setting, Settings } from './settings.ts';

export interface SettingRow {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly form: string;
  /** As written in the environment; undefined if there is none. */
  readonly default: string | undefined;
  /** `required in production`, `optional`, or empty. */
  readonly note: string;
  readonly unit: string | undefined;
  readonly doc: string;
}

/** One row per setting, in the order of their definition. */
export function settingRows(service: string, settings: Settings): readonly SettingRow[] {
  return Object.entries(settings).map(([key, setting]) => {
    const [name = key, ...aliases] = namesOf(service, key, setting);
    return { name, aliases, form: setting.form, unit: setting.unit, doc: setting.doc, ...defaultOf(setting) };
  });
}

function defaultOf(setting: Setting<unknown>): { readonly default: string | undefined; readonly note: string } {
  const { fallback } = setting;
  switch (fallback.kind) {
    case 'required':
      return { default: undefined, note: 'required' };
    case 'optional':
      return { default: undefined, note: 'optional' };
    case 'local':
      return { default: setting.kind === 'secret' ? undefined : String(fallback.value), note: 'in local mode; required in production' };
    case 'value':
      return { default: String(fallback.value), note: fallback.local === undefined ? '' : `in local mode ${String(fallback.local.value)}` };
  }
}

/** The list of a service's settings in Markdown. */
export function settingsMarkdown(service: string, settings: Settings): string {
  const items = settingRows(service, settings).map((row) => {
    const names = [row.name, ...row.aliases].map((name) => `\`${name}\``).join(', ');
    const fallback = [row.default === undefined ? '' : `default \`${row.default}\``, row.note].filter((part) => part !== '').join(', ');
    // The format of durations is explained once above the list.
    const form = row.form.replace(/, such as 250ms.*$/, '');
    return wrapped(`- ${names}: ${row.doc} *(${form}${fallback === '' ? '' : `; ${fallback}`})*`);
  });
  return `${items.join('\n')}\n`;
}

const LINE = 140;

/** Wraps a text; the continuation lines belong to the same list item. */
function wrapped(text: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    // A number or a dash at the beginning of a line would start a list.
    if (line !== '' && line.length + word.length >= LINE && !/^(?:\d+[.)]|[-*+])$/.test(word)) {
      lines.push(line);
      line = `  ${word}`;
    } else line += line === '' ? word : ` ${word}`;
  }
  return [...lines, line].join('\n');
}

/** A `.env` file with all settings commented out. */
export function settingsEnv(service: string, settings: Settings): string {
  return settingRows(service, settings)
    .map((row) => `# ${row.doc}\n# ${[row.form, row.note].filter((part) => part !== '').join('; ')}\n#${row.name}=${row.default ?? ''}\n`)
    .join('\n');
}

/** The table for a terminal. */
export function settingsText(service: string, settings: Settings): string {
  return settingRows(service, settings)
    .map((row) => {
      const value = [row.default, row.note].filter((part) => part !== undefined && part !== '').join(', ');
      const names = row.aliases.length === 0 ? row.name : `${row.name} (or ${row.aliases.join(', ')})`;
      return `${names}\n    ${row.doc}\n    ${row.form}${value === '' ? '' : `; default: ${value}`}\n`;
    })
    .join('\n');
}
