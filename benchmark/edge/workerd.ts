/** The Worker in a workerd of its own, whose processor time and memory can be read: wrangler builds it, workerd runs it. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

import { freePort } from '../../workers/deploy/localWorker.ts';
import { OFFLINE, wranglerScript } from '../../workers/deploy/wrangler.ts';
import { ONNXRUNTIME_IMPORT, writeOnnxRuntimeModule } from '../../workers/onnxRuntimeModule.ts';
import { WITHOUT_ONNXRUNTIME } from '../../workers/prepare.ts';
import { TICKS_A_SECOND, ticksOfProcess } from '../processorTime.ts';

const WORKERS = join(import.meta.dirname, '..', '..', 'workers');
/** What onnxruntime-web may take here. */
const LARGE_MEMORY_BYTES = 2 ** 30;
const START_MILLISECONDS = 30_000;
const SAMPLE_MILLISECONDS = 10;

/** A Worker as it would be uploaded: worker.js and compiled WebAssembly. */
export interface BuiltWorker {
  readonly folder: string;
  /** What is uploaded, model and source map apart. */
  readonly uploadBytes: number;
}

/** Builds the Worker as a deployment does. */
export async function buildWorker(folder: string, { withOnnxRuntime }: { readonly withOnnxRuntime: boolean }): Promise<BuiltWorker> {
  const assets = join(folder, 'no-assets');
  await mkdir(assets, { recursive: true });
  // The base model in float32 is beyond the limit of a deployment.
  const script = withOnnxRuntime ? await writeOnnxRuntimeModule(join(folder, 'onnxruntime'), LARGE_MEMORY_BYTES) : undefined;
  const engine = script === undefined ? WITHOUT_ONNXRUNTIME : ['--alias', `${ONNXRUNTIME_IMPORT}:${script}`];
  const switches = ['deploy', '--dry-run', '--outdir', folder, '--assets', assets, ...engine];
  await promisify(execFile)(process.execPath, [wranglerScript(), ...switches], { cwd: WORKERS, env: { ...process.env, ...OFFLINE } });
  return { folder, uploadBytes: await uploadBytes(folder) };
}

/** A Worker that answers at once: what workerd itself costs. */
export async function emptyWorker(folder: string): Promise<BuiltWorker> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'worker.js'), "export default { fetch: () => new Response('ok') };");
  return { folder, uploadBytes: await uploadBytes(folder) };
}

async function uploadBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const file of await readdir(folder)) if (/\.(js|wasm)$/.test(file)) bytes += (await stat(join(folder, file))).size;
  return bytes;
}

/** A running workerd. */
export class RunningWorker {
  readonly #process: ChildProcess;
  readonly #pid: number;
  readonly #port: number;
  readonly #started: number;
  readonly #sampler: NodeJS.Timeout;
  #peakMebibytes = 0;

  private constructor(process: ChildProcess, pid: number, port: number, started: number) {
    this.#process = process;
    this.#pid = pid;
    this.#port = port;
    this.#started = started;
    this.#sampler = setInterval(() => this.#sample(), SAMPLE_MILLISECONDS);
  }

  /** Starts workerd with one Worker, and a folder's files for its assets. */
  static async start({ folder }: BuiltWorker, assetsFolder: string): Promise<RunningWorker> {
    const port = await freePort();
    await writeFile(join(folder, 'config.capnp'), await configuration(folder, assetsFolder, port));
    const workerd = createRequire(wranglerScript()).resolve('workerd/bin/workerd');
    const started = performance.now();
    const child = spawn(workerd, ['serve', join(folder, 'config.capnp')], { stdio: ['ignore', 'ignore', 'inherit'] });
    const failed = once(child, 'exit').then(() => Promise.reject(new Error('workerd ended.')));
    failed.catch(() => {});
    await Promise.race([once(child, 'spawn'), failed]);
    const running = new RunningWorker(child, child.pid ?? 0, port, started);
    await Promise.race([running.#listening(), failed]);
    return running;
  }

  /** Milliseconds since the process was started. */
  get age(): number {
    return performance.now() - this.#started;
  }

  /** Classifies texts over HTTP; gives the status. */
  async classify(inputs: string | readonly string[]): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/v1/classify`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs }),
    });
    await response.arrayBuffer();
    return response.status;
  }

  /** Processor time of all its threads so far, in milliseconds. */
  processorMilliseconds(): number {
    return (ticksOfProcess(this.#pid) * 1000) / TICKS_A_SECOND;
  }

  /**
   * The most memory of its own that the process has held so far, in MiB: `RssAnon` of proc_pid_status(5), looked at every few
   * milliseconds. Pages of the program's file, which every isolate of a machine shares, are left out.
   */
  peakMebibytes(): number {
    this.#sample();
    return this.#peakMebibytes;
  }

  #sample(): void {
    const status = readFileSync(`/proc/${this.#pid}/status`, 'utf8');
    this.#peakMebibytes = Math.max(this.#peakMebibytes, Number(/^RssAnon:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024);
  }

  async stop(): Promise<void> {
    clearInterval(this.#sampler);
    if (this.#process.exitCode !== null) return;
    this.#process.kill();
    await once(this.#process, 'exit');
  }

  /** Waits until the port takes connections. No request is made: the first one is what loads the model. */
  async #listening(): Promise<void> {
    while (this.age < START_MILLISECONDS) {
      const socket = connect(this.#port, '127.0.0.1');
      const listens = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      });
      socket.destroy();
      if (listens) return;
      await wait(2);
    }
    throw new Error('workerd did not listen in time.');
  }
}

async function configuration(folder: string, assetsFolder: string, port: number): Promise<string> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.wasm'));
  const settings = readFileSync(join(WORKERS, 'wrangler.jsonc'), 'utf8');
  const date = /"compatibility_date": "([\d-]+)"/.exec(settings)?.[1];
  if (date === undefined) throw new Error('wrangler.jsonc has no compatibility_date.');
  const modules = files.map((file) => `(name = "./${file}", wasm = embed "${file}")`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js"), ${modules.join(', ')}],
      compatibilityDate = "${date}",
      compatibilityFlags = ["enable_request_signal"],
      bindings = [(name = "ASSETS", service = "assets")],
    )),
    (name = "assets", disk = (path = "${assetsFolder}")),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
`;
}
