/**
 * `node workers/browser/build.ts <file>`: compiles localWorker.ts into one script, for the package. Among the sources the server does it
 * when it is asked for the script.
 */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { build } from 'esbuild';

/** The script's text: all of the app, the kernel, and onnxruntime-web but for its own WebAssembly. */
export async function compileLocalWorker(): Promise<string> {
  const runtime = createRequire(import.meta.url).resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm');
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'localWorker.ts')],
    bundle: true,
    format: 'esm',
    target: 'es2024',
    minify: true,
    // The licences of what is in it.
    legalComments: 'eof',
    loader: { '.wasm': 'binary' },
    define: { ONNXRUNTIME_WASM_BYTES: String((await stat(runtime)).size) },
    write: false,
    logLevel: 'silent',
  });
  return outputFiles.map(({ text }) => text).join('');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , file] = process.argv;
  if (file === undefined) throw new Error('Name the file to write.');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, await compileLocalWorker());
}
