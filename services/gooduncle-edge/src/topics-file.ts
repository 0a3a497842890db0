/** The file with the topic rules: loaded at start, and again when it changes. A new version with a mistake is rejected and logged; the old rules stay. */
import { readFile } from 'node:fs/promises';
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import type { Log } from '@polyedge/service-kit/log';
import { parse } from 'yaml';
import { parseTopics, type Topics } from './protocol/topics.ts';

const LOOK_MS = 1000;
const MAX_CHARACTERS = 1024 * 1024;

export interface TopicsFile {
  /** The current rules; a new object after each change. */
  readonly current: Topics;
  /** The number of versions that were loaded and rejected. */
  readonly counts: { loaded: number; refused: number };
  close(): void;
}

/** The rules and their text. Throws `CannotStart` with the problems. */
export async function readTopicsFile(path: string): Promise<{ readonly text: string; readonly topics: Topics }> {
  const text = await contentOf(path);
  if (text === undefined) throw new CannotStart(`the topic rules ${path} cannot be read`);
  const parsed = read(text);
  if (!parsed.ok) throw new CannotStart(`the topic rules ${path} are invalid: ${parsed.problems.join('; ')}`);
  return { text, topics: parsed.value };
}

/** Throws `CannotStart` with the problems if the first load fails. */
export async function openTopicsFile(path: string, log: Log): Promise<TopicsFile> {
  let { text: known, topics: current } = await readTopicsFile(path);
  const counts = { loaded: 1, refused: 0 };
  let reading = false;
  // Polls the content: a mounted file is replaced in ways that file watchers do not report on all systems.
  const timer = setInterval(() => {
    if (reading) return;
    reading = true;
    void contentOf(path).then((text) => {
      reading = false;
      if (text === undefined || text === known) return;
      known = text;
      const next = read(text);
      if (next.ok) {
        current = next.value;
        counts.loaded += 1;
        log.info(`new topic rules of ${path} loaded`);
      } else {
        counts.refused += 1;
        log.error(`new topic rules of ${path} are invalid, the old ones stay: ${next.problems.join('; ')}`);
      }
    });
  }, LOOK_MS);
  timer.unref();
  return {
    get current() {
      return current;
    },
    counts,
    close: () => clearInterval(timer),
  };
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}

function read(text: string) {
  if (text.length > MAX_CHARACTERS) return { ok: false, problems: ['the file is too long'] } as const;
  try {
    // YAML includes JSON. Aliases could make a small file expand to a huge one.
    return parseTopics(parse(text, { maxAliasCount: 100 }));
  } catch (error) {
    return { ok: false, problems: [error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'it is not YAML'] } as const;
  }
}
