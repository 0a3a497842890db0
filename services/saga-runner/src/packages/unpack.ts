/**
 * Unpacks a package and its dependencies into a folder where Node finds them. Only from the registry, verified by hashes, within limits.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pacote from 'pacote';
import semver from 'semver';

export interface PackageRequest {
  /** A name, optionally with a tag, version or range: `left-pad`, `left-pad@1`, `@scope/name@^2`. */
  readonly spec: string;
  /** Undefined: npm's own. */
  readonly registry?: string | undefined;
  readonly maxPackages: number;
  readonly maxBytes: number;
  readonly maxBundleBytes: number;
}

/** A failure whose reason may be shown. */
export class PackageRefused extends Error {}

const NAME = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/i;
/** The part after the `@`: a tag, a version or a range, never a URL, a file or another host. */
const WANTED = /^[A-Za-z0-9.^~<>=|*+ _-]{0,128}$/;

/** Parses a specification; `npm:` installs another package under this name. */
function specOf(name: string, wanted: string): { readonly name: string; readonly wanted: string } {
  const alias = /^npm:(.+?)(?:@([^@]*))?$/.exec(wanted);
  const wish = alias === null ? { name, wanted } : { name: alias[1] ?? '', wanted: alias[2] ?? '*' };
  if (!NAME.test(wish.name) || !WANTED.test(wish.wanted))
    throw new PackageRefused(`only packages of the registry are installed, not ${name}@${wanted}`);
  return wish;
}

/** Unpacks into `node_modules` below the folder. */
export async function unpack(
  wish: PackageRequest,
  folder: string,
): Promise<{ readonly name: string; readonly manifest: Readonly<Record<string, unknown>> }> {
  const at = wish.spec.lastIndexOf('@');
  const [name, wanted] = at > 0 ? [wish.spec.slice(0, at), wish.spec.slice(at + 1)] : [wish.spec, 'latest'];
  const state = new Unpacking(wish, folder);
  const alias = /^([^@].*|@[^/]+\/[^@]+)@npm:/.exec(wish.spec)?.[1];
  const own = alias ?? name;
  await state.add(own, alias === undefined ? wanted : wish.spec.slice(alias.length + 1), folder);
  return { name: own, manifest: read(join(folder, 'node_modules', own)) };
}

const read = (path: string): Readonly<Record<string, unknown>> => JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));

class Unpacking {
  readonly #asked: PackageRequest;
  readonly #root: string;
  #packages = 0;
  #bytes = 0;

  constructor(wish: PackageRequest, root: string) {
    this.#asked = wish;
    this.#root = root;
  }

  /** @param from the folder of the dependent package */
  async add(name: string, wanted: string, from: string): Promise<void> {
    const spec = specOf(name, wanted);
    if (this.#found(name, spec.wanted, from)) return;
    this.#packages += 1;
    if (this.#packages > this.#asked.maxPackages) throw new PackageRefused(`it needs more than ${this.#asked.maxPackages} packages`);
    const { registry } = this.#asked;
    const options = {
      ...(registry === undefined ? {} : { registry }),
      fullMetadata: false,
      preferOnline: false,
      cache: join(this.#root, '.cache'),
    };
    const manifest = await pacote.manifest(`${spec.name}@${spec.wanted}`, options);
    const place = this.#placeFor(name, from);
    mkdirSync(place, { recursive: true });
    await pacote.extract(`${spec.name}@${manifest.version}`, place, options);
    this.#bytes += bytesIn(place);
    if (this.#bytes > this.#asked.maxBytes) throw new PackageRefused(`it is larger than ${this.#asked.maxBytes} bytes, with what it needs`);
    for (const [needed, range] of Object.entries(manifest.dependencies ?? {})) await this.add(needed, range, place);
  }

  /** Whether the version that Node would find from there satisfies the specification. */
  #found(name: string, wanted: string, from: string): boolean {
    for (let folder = from; folder.startsWith(this.#root); folder = join(folder, '..')) {
      const place = join(folder, 'node_modules', name);
      if (!existsSync(join(place, 'package.json'))) continue;
      const { version } = read(place);
      return typeof version === 'string' && (wanted === 'latest' || semver.satisfies(version, wanted));
    }
    return false;
  }

  /** At the top level if the name is free there, else below the dependent package. */
  #placeFor(name: string, from: string): string {
    const top = join(this.#root, 'node_modules', name);
    return existsSync(top) ? join(from, 'node_modules', name) : top;
  }
}

function bytesIn(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    // pacote unpacks no links; one could point outside.
    if (entry.isDirectory()) bytes += bytesIn(path);
    else bytes += lstatSync(path).size;
  }
  return bytes;
}
