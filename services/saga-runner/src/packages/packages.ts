/** npm packages of organizations: installs requested ones, and serves the bundles of installed ones (Saga protocol page, 5.10 and 6.7). */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CHUNK_BYTES, graphReadChunk, graphWriteChunk, type Operation } from '@polyedge/contracts/bus/graph';
import type { FullChange } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import { operationId } from '@polyedge/contracts/operation-id';
import { check, type Static, T } from '@polyedge/contracts/schema';
import type { Filter } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import { attribute, both, equal, ofType, TYPES } from '@polyedge/saga/elements';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Log } from '@polyedge/service-kit/log';
import { storableText } from '../storable.ts';
import { APP, type Writing } from '../writing.ts';
import { storedManifest } from './manifest.ts';
import { Turns } from './turns.ts';

const program = fileURLToPath(new URL('./main.ts', import.meta.url));
const INSTALL_MS = 120_000;
/** Installations at once, of different organizations: each may take half a gigabyte of memory. */
const AT_ONCE = 2;
const LIMITS = { maxPackages: 200, maxBytes: 64 * 1024 * 1024, maxBundleBytes: 2 * 1024 * 1024 };
/** Cached bundles; the least recently used is evicted. */
const MAX_KEPT = 64;

const PackageAnswer = T.Union([
  T.Object({
    ok: T.Literal(true),
    name: T.String({ maxLength: 256 }),
    manifest: T.Record(T.String(), T.Unknown()),
    code: T.String({ maxLength: LIMITS.maxBundleBytes }),
  }),
  T.Object({ ok: T.Literal(false), problem: T.String({ maxLength: 1000 }) }),
]);
type PackageAnswer = Static<typeof PackageAnswer>;
const answerCheck = check(PackageAnswer);

export interface PackagesOptions {
  readonly bus: Bus;
  readonly writing: Writing;
  readonly log: Log;
  readonly enabled: boolean;
  readonly registry: string | undefined;
}

export class Packages {
  readonly #options: PackagesOptions;
  readonly #bundles = new Map<string, string>();
  readonly #turns = new Turns(AT_ONCE);

  constructor(options: PackagesOptions) {
    this.#options = options;
  }

  /** Resolves when the package that the change requests is installed, or has failed. */
  changed({ state, tenant }: FullChange): Promise<void> {
    const { wanted, installed = 0 } = state.attributes;
    if (state.deleted || typeof wanted !== 'number' || typeof installed !== 'number' || wanted <= installed) return Promise.resolve();
    return this.#turns.take(tenant, () => this.#install(tenant, state, wanted));
  }

  /** The bundle of a content that `load` has loaded. */
  bundle(content: string): string | undefined {
    return this.#bundles.get(content);
  }

  /** Loads missing bundles; false if one cannot be read now. */
  async load(tenant: string, contents: readonly string[]): Promise<boolean> {
    for (const content of contents) {
      const known = this.#bundles.get(content) ?? (await this.#read(tenant, content));
      if (known === undefined) return false;
      this.#bundles.delete(content);
      this.#bundles.set(content, known);
    }
    for (const oldest of this.#bundles.keys()) {
      if (this.#bundles.size <= Math.max(MAX_KEPT, contents.length)) break;
      this.#bundles.delete(oldest);
    }
    return true;
  }

  async #install(tenant: string, element: Element, wanted: number): Promise<void> {
    const { enabled, registry } = this.#options;
    const { package_name: spec } = element.attributes;
    // A change may be delivered again after it was installed, or a newer version wanted.
    if (!(await this.#write(tenant, element, wanted, { state: 'installing' }, false))) return;
    const answer = enabled
      ? await carryOut({ spec: typeof spec === 'string' ? spec : '', registry, ...LIMITS })
      : ({ ok: false, problem: 'installing packages is switched off' } as const);
    if (!answer.ok) return this.#failed(tenant, element, wanted, answer.problem);
    const content = randomBytes(24).toString('base64url');
    if (!(await this.#store(tenant, content, answer.code))) return this.#failed(tenant, element, wanted, 'it could not be stored');
    const set = {
      state: 'installed',
      installed: wanted,
      name: answer.name,
      package_json: storedManifest(answer.manifest),
      content,
      error_message: null,
    };
    await this.#write(tenant, element, wanted, set, false, content);
  }

  async #failed(tenant: string, element: Element, wanted: number, problem: string): Promise<void> {
    await this.#write(tenant, element, wanted, { state: 'failed', installed: wanted, error_message: storableText(problem) }, true);
  }

  /** Only if this version is still the one that is to be installed. @returns false if it is not, and nothing was written */
  async #write(
    tenant: string,
    { id, scope }: Element,
    wanted: number,
    set: JsonObject,
    failed: boolean,
    content?: string,
  ): Promise<boolean> {
    const isInstalled: Filter = { test: 'at-least', path: attribute('installed'), value: wanted };
    const target = { id, where: both(ofType(TYPES.npmPackage), equal(attribute('wanted'), wanted), { not: isInstalled }) };
    const count: Operation = { op: 'apply', target, attribute: 'failed_install_attempts', operator: 'incr', value: 1 };
    const change: Operation = content === undefined ? { op: 'update', target, set } : { op: 'attach', target, content, set };
    // Counted first: after the change the version is no longer to be installed.
    const operations = failed ? [count, change] : [change];
    const written = await this.#options.writing.write(
      { tenant, scope, lane: id },
      {
        operationId: operationId(Date.now(), randomBytes(10)),
        by: APP,
        app: APP,
        origin: { protocol: 'saga', way: 'job', operation: 'package' },
        operations,
      },
    );
    if (written.ok) return true;
    if (written.failure.code === 'not-found') return false;
    this.#options.log.warn('the state of a package is lost', { id, code: written.failure.code });
    return true;
  }

  async #store(tenant: string, content: string, code: string): Promise<boolean> {
    const { bus } = this.#options;
    const bytes = Buffer.from(code, 'utf8');
    const count = Math.max(1, Math.ceil(bytes.length / CHUNK_BYTES));
    for (let index = 0; index < count; index += 1) {
      const data = bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES).toString('base64');
      const chunk = { content, index, data, last: index === count - 1, mediaType: 'application/javascript' };
      const written = await bus.request(graphWriteChunk, graphWriteChunk.subject({ tenant }), chunk, { timeoutMs: 10_000 });
      if (!written.ok) return false;
    }
    return true;
  }

  async #read(tenant: string, content: string): Promise<string | undefined> {
    const parts: Buffer[] = [];
    for (let index = 0, count = 1; index < count; index += 1) {
      const subject = graphReadChunk.subject({ tenant });
      const read = await this.#options.bus.request(graphReadChunk, subject, { content, index }, { timeoutMs: 10_000 });
      if (!read.ok) return undefined;
      count = Math.min(read.value.chunks, 64);
      parts.push(Buffer.from(read.value.data, 'base64'));
    }
    return Buffer.concat(parts).toString('utf8');
  }
}

/** @param asked without the folder in which it works, which is gone when this has resolved, also if the process was killed */
async function carryOut(asked: object): Promise<PackageAnswer> {
  const folder = await mkdtemp(join(tmpdir(), 'saga-package-')).catch(() => undefined);
  if (folder === undefined) return { ok: false, problem: 'there is no room for it' };
  try {
    return await install({ ...asked, folder });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function install(asked: object): Promise<PackageAnswer> {
  return new Promise((resolve) => {
    // Without our environment, because it unpacks untrusted content.
    const child = fork(program, [], { env: {}, stdio: 'ignore', execArgv: ['--max-old-space-size=512'] });
    const late = setTimeout(() => child.kill('SIGKILL'), INSTALL_MS);
    let answer: PackageAnswer | undefined;
    child.on('message', (message: unknown) => {
      if (answerCheck.test(message)) answer = message;
    });
    child.on('error', () => resolve({ ok: false, problem: 'the process that installs could not be started' }));
    // Not `exit`, after which a part of its answer may still come.
    child.on('close', () => {
      clearTimeout(late);
      resolve(answer ?? { ok: false, problem: 'it took too long or too much' });
    });
    child.send(asked);
  });
}
