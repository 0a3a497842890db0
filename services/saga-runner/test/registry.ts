/** A registry of npm packages on this machine, with packages made up for tests. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

export interface Made {
  readonly name: string;
  readonly version: string;
  readonly files: Readonly<Record<string, string>>;
  readonly more?: object;
  /** What the registry says the hash is, if it lies. */
  readonly integrity?: string;
}

function tar(files: Readonly<Record<string, string>>): Buffer {
  const blocks: Buffer[] = [];
  for (const [name, text] of Object.entries(files)) {
    const body = Buffer.from(text);
    const header = Buffer.alloc(512);
    header.write(`package/${name}`, 0);
    header.write('0000644\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        ', 148);
    header.write('0', 156);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((all, byte) => all + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    blocks.push(header, body, Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

export async function startRegistry(packages: readonly Made[]): Promise<{ readonly url: string } & AsyncDisposable> {
  const tarballs = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    const tarball = tarballs.get(path);
    if (tarball !== undefined) return void response.end(tarball);
    const versions = packages.filter(({ name }) => path === `/${name}`);
    if (versions.length === 0) return void response.writeHead(404, { 'content-type': 'application/json' }).end('{}');
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const entries = versions.map(({ name, version, files, more, integrity }) => {
      const manifest = { name, version, ...more };
      const file = `/${name}/-/${version}.tgz`;
      const bytes = tar({ 'package.json': JSON.stringify(manifest), ...files });
      tarballs.set(file, bytes);
      const hash = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
      return [version, { ...manifest, dist: { tarball: at + file, integrity: integrity ?? hash } }] as const;
    });
    const [latest] = entries.at(-1) ?? [''];
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name: versions[0]?.name, 'dist-tags': { latest }, versions: Object.fromEntries(entries) }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
