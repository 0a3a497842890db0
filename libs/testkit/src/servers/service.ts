import { existsSync, mkdirSync } from 'node:fs';
import { get } from 'node:https';
import { join, resolve } from 'node:path';
import { METRICS_ABOVE } from './free-port.ts';
import { type RunningServer, type ServerOptions, startServer } from './server-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** A service of this workspace in a process of its own. `url` is its client port (`http://…`). */
export type RunningService = RunningServer & {
  readonly name: string;
  /** The URL of its Prometheus metrics. */
  readonly metricsUrl: string;
};

/** Options of `startService`. */
export type ServiceOptions = ServerOptions & {
  /** The folder below `services/`. */
  readonly name: string;
  /** NATS_URL, DATABASE_URL and other variables, added to this process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Another working copy to run it from, for example of an older release. */
  readonly checkout?: string;
  /** Default: the client port plus 1000. */
  readonly metricsPort?: number;
  /** `ready` waits for `/readyz` (the default), `alive` for `/healthz`. */
  readonly until?: 'ready' | 'alive';
  /**
   * For a service whose settings make it speak TLS: the authority's certificate in PEM, or `any` to ask it whether it is ready whoever signed its
   * certificate, and for whatever name.
   */
  readonly certificate?: string;
  /** Default: in its folder. */
  readonly logFile?: string;
};

const servicesFolder = resolve(import.meta.dirname, '../../../../services');
const answerMs = 2_000;
const ANY = 'any';

/** The program of a service, in this working copy or another one. */
export function serviceProgram(name: string, checkout?: string): string {
  return join(checkout === undefined ? servicesFolder : join(checkout, 'services'), name, 'src/main.ts');
}

/** Whether the service has a program. */
export function serviceExists(name: string): boolean {
  return existsSync(serviceProgram(name));
}

/** Starts a service on the loopback address in mode `local`, its log in a file, and waits until it can serve. */
export async function startService(options: ServiceOptions): Promise<RunningService> {
  const { name } = options;
  const dir = options.dir === undefined ? temporaryFolder(name) : resolve(options.dir);
  mkdirSync(dir, { recursive: true });
  let metricsPort = options.metricsPort ?? (options.port ?? 0) + METRICS_ABOVE;
  const server = await startServer(options.port, (port) => {
    // The taken port may have been that of the metrics.
    if (port !== options.port) metricsPort = port + METRICS_ABOVE;
    const url = `${options.certificate === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
    const question = `${url}/${options.until === 'alive' ? 'healthz' : 'readyz'}`;
    return {
      name,
      url,
      port,
      dir,
      mark: dir,
      command: process.execPath,
      args: [serviceProgram(name, options.checkout)],
      env: { POLYEDGE_MODE: 'local', ...options.env, HOST: '127.0.0.1', PORT: String(port), METRICS_PORT: String(metricsPort) },
      stopSignal: 'SIGTERM',
      answers: () => (options.certificate === undefined ? answersOk(question) : answersSecurely(question, options.certificate)),
      temporary: options.dir === undefined,
      ...(options.logFile === undefined ? {} : { logFile: options.logFile }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.onUnexpectedExit === undefined ? {} : { onUnexpectedExit: options.onUnexpectedExit }),
    };
  });
  return Object.assign(server, { name, metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` });
}

async function answersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(answerMs) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

function answersSecurely(url: string, certificate: string): Promise<boolean> {
  return new Promise((resolve) => {
    const trust = certificate === ANY ? { rejectUnauthorized: false } : { ca: certificate };
    const request = get(url, { ...trust, agent: false, timeout: answerMs }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('error', () => resolve(false));
    request.on('timeout', () => request.destroy());
  });
}
