/** Derives texts that no well-behaved client sends from those of real ones. The same seed gives the same texts. */
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Random } from '../kill/random.ts';

const root = resolve(import.meta.dirname, '../..');

/** The messages of a service's clients in its transcripts, line by line. */
export function sentBy(service: string): readonly string[] {
  const folder = join(root, 'services', service, 'test/transcripts');
  return globSync('*.txt', { cwd: folder })
    .sort()
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n'))
    .flatMap((line) => (line.startsWith('> ') ? [line.slice(2)] : []));
}

const nested = (levels: number): string =>
  levels % 2 === 0 ? `${'['.repeat(levels)}${']'.repeat(levels)}` : `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

const NUMBERS = ['1e400', '-1e400', '9007199254740993', '1e308', '9007199254740993.5', '0e0', '-0', '00', '1e', '5e-324', '9'.repeat(400)];
const WORDS = ['__proto__', 'constructor', 'toString', '$where', '\\u0000', '\\ud800', '', ' ', '../..', '%00', "' or 1=1", '𝕏', '\\n'];

/** One value in JSON, or nearly: deep, long, out of range or of an unexpected type. */
export function hostileValue(random: Random): string {
  switch (random.integer(0, 7)) {
    case 0:
      return nested(random.pick([40, 64, 65, 100, 1000, 5000, 20_001]));
    case 1:
      return random.pick(NUMBERS);
    case 2:
      return `"${'x'.repeat(random.pick([1000, 100_000, 1_000_000]))}"`;
    case 3:
      return `[${Array.from({ length: random.pick([10, 1000, 50_000]) }, () => random.pick(NUMBERS.slice(2, 4))).join()}]`;
    case 4:
      return `{${Array.from({ length: random.pick([3, 300, 5000]) }, (_, at) => `"k${at}":${at}`).join()}}`;
    case 5:
      return `{"${random.pick(WORDS)}":"${random.pick(WORDS)}"}`;
    case 6:
      return `"${random.pick(WORDS)}"`;
    default:
      return random.pick(['null', 'true', '[]', '{}', '""', '-1', '{"toString":1,"toJSON":1,"length":-1}', 'undefined', '[,]']);
  }
}

const STRING = /"(?:[^"\\]|\\.)*"/g;

/** A sample with a few mutations. */
export function mutated(sample: string, random: Random): string {
  let text = sample;
  for (let changes = random.integer(1, 3); changes > 0; changes -= 1) {
    const at = random.integer(0, text.length);
    switch (random.integer(0, 5)) {
      case 0:
        text = text.slice(0, at) + random.pick(['"', '{', ']', '\\', ',', ':', '\0', '\ud800', '💥']) + text.slice(at);
        break;
      case 1:
        text = text.slice(0, at) + text.slice(at + random.integer(1, 5));
        break;
      case 2:
        text = text.slice(0, at) + text.slice(Math.max(0, at - 20));
        break;
      default: {
        // Replaces a string, which may be a key.
        const found = [...text.matchAll(STRING)];
        const one = found.length === 0 ? undefined : random.pick(found);
        if (one !== undefined) text = text.slice(0, one.index) + hostileValue(random) + text.slice(one.index + one[0].length);
      }
    }
  }
  return text;
}
