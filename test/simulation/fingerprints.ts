/** `node fingerprints.ts EVENTS SEED…`: runs histories and prints, as JSON, a digest of everything observed in each, by seed. */
import { hash } from 'node:crypto';
import { SystemWorld } from './system-world.ts';

/** Runs histories one after the other. @returns their digests by seed */
export async function fingerprintsOf(events: number, seeds: readonly number[]): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const seed of seeds) found[seed] = hash('sha256', JSON.stringify(await new SystemWorld({ seed, events }).run()));
  return found;
}

if (import.meta.main) {
  const [events = 0, ...seeds] = process.argv.slice(2).map(Number);
  console.log(JSON.stringify(await fingerprintsOf(events, seeds)));
}
