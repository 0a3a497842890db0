/** Generates the section of docs/operations.md from the services' `config.ts`. */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { commonSettings } from '@polyedge/service-kit/common-settings';
import type { Settings } from '@polyedge/service-kit/settings';
import { settingsMarkdown } from '@polyedge/service-kit/settings-table';

const root = join(import.meta.dirname, '../..');
const BEGIN = '<!-- settings: written by tools/settings-docs.ts -->\n';
const END = '<!-- end of settings -->\n';

/** The settings of every service, by its name. */
async function allSettings(): Promise<ReadonlyMap<string, Settings>> {
  const found = new Map<string, Settings>();
  for (const file of globSync('services/*/src/config.ts', { cwd: root }).sort()) {
    const { settings }: { readonly settings: Settings } = await import(join(root, file));
    found.set(file.split('/')[1] ?? '', settings);
  }
  return found;
}

/** The document with the section between the two marks regenerated. Throws if a mark is missing. */
export async function withSettings(document: string): Promise<string> {
  const from = document.indexOf(BEGIN);
  const to = document.indexOf(END);
  if (from === -1 || to < from) throw new Error('docs/operations.md has lost the marks around its settings');
  const services = await allSettings();
  const common: Settings = commonSettings({ port: 0 });
  const shared = Object.fromEntries(Object.entries(common).filter(([key]) => key !== 'port'));
  const sections = [
    `### All services\n\n\`PORT\` differs from service to service and is listed with each. Durations may have a unit: 250ms, 10s or 5m.\n\n${settingsMarkdown('graph-store', shared).replaceAll(/, `GRAPH_STORE_\w+`/g, '')}`,
    ...[...services].map(([service, settings]) => {
      const own = Object.fromEntries(
        Object.entries(settings).filter(
          ([key, setting]) => common[key]?.env !== setting.env || common[key]?.doc !== setting.doc || key === 'port',
        ),
      );
      return `### ${service}\n\n${settingsMarkdown(service, own)}`;
    }),
  ];
  // Some defaults are files of this working copy.
  const text = sections.join('\n').replaceAll(`${root}/`, '');
  return `${document.slice(0, from)}${BEGIN}\n${text}\n${document.slice(to)}`;
}
