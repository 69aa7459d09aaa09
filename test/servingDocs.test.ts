/** What docs/serving.md and serve/deploy show: every curl works as it stands there, and every command line has options that there are. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { addKey } from '../serve/node/keysFile.ts';
import { startServer, type RunningServer } from '../serve/node/server.ts';
import { createProgram } from '../trainer/cli.ts';
import { writeTinyBundle } from './fixtures/tinyClassifier.ts';

const run = promisify(execFile);
const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8');
const page = await read('docs/serving.md');
/** The shell blocks, each a list of lines. */
const blocks = Array.from(page.matchAll(/^```sh\n([^]*?)^```$/gm), ([, text = '']) => text.replaceAll('\\\n', ' ').trimEnd().split('\n'));
const isCommandLine = (line: string) => /^(npx |ln )/.test(line);
const scripts = blocks.map((lines) => lines.filter((line) => !isCommandLine(line)).join('\n')).filter((script) => script.includes('curl '));

const hasCurl = await run('curl', ['--version']).then(
  () => true,
  () => false,
);

let folder: string;
let open: RunningServer;
let guarded: RunningServer;
let environment: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-serving-docs-'));
  for (const version of ['1', '2']) {
    await writeTinyBundle(join(folder, `reviews-${version}`), { name: 'reviews', version, embedding: 8, hidden: 8, layers: 2 });
  }
  const keysFile = join(folder, 'keys.json');
  const keys = { KEY: (await addKey(keysFile, { scope: 'predict' })).key, ADMIN_KEY: (await addKey(keysFile, { scope: 'admin' })).key };
  environment = { ...keys, PATH: process.env['PATH'] ?? '' };
  const options = { port: 0, threads: 1 };
  open = await startServer(join(folder, 'reviews-1'), { ...options, downloadable: true });
  guarded = await startServer(join(folder, 'reviews-1'), { ...options, keysFile, modelsRoot: folder });
});

afterAll(async () => {
  await Promise.all([open.stop(), guarded.stop()]);
  await rm(folder, { recursive: true });
});

describe('docs/serving.md', () => {
  it('has the commands that are tried here', () => {
    expect(scripts.length).toBeGreaterThanOrEqual(4);
    // Every one that the page has.
    const curls = (text: string) => text.match(/\bcurl /g)?.length ?? 0;
    expect(scripts.reduce((sum, script) => sum + curls(script), 0)).toBe(curls(page));
  });

  it.skipIf(!hasCurl).each(scripts)('%s', async (script) => {
    const server = script.includes('KEY"') ? guarded : open;
    const text = `set -e\ncurl() { command curl -sS --fail-with-body "$@"; }\n${script.replaceAll('localhost:8080', new URL(server.url).host)}`;
    await expect(run('sh', ['-c', text], { env: environment })).resolves.toMatchObject({ stderr: '' });
  });
});

describe('command lines', () => {
  const lines = blocks.flat().filter((line) => line.startsWith('npx ulmfit '));

  /** How many commands a command line would call: parsed, and not called. */
  async function called(words: readonly string[]): Promise<number> {
    const program = createProgram();
    let calls = 0;
    for (const command of program.commands.flatMap((each) => [each, ...each.commands]))
      if (command.commands.length === 0) command.action(() => void (calls += 1));
    await program.parseAsync(words, { from: 'user' });
    return calls;
  }

  it.each(lines)('%s', async (line) => {
    const words = line
      .replace(/ +#.*$/, '')
      .split(' ')
      .slice(2);
    expect(await called(words)).toBe(1);
  });

  it('of the image, the unit and the manifest', async () => {
    const dockerfile = await read('serve/deploy/Dockerfile');
    const [, entry = '[]'] = /^ENTRYPOINT (.*)$/m.exec(dockerfile) ?? [];
    const [node, script = '', ...words] = JSON.parse(entry) as string[];
    expect([node, script]).toEqual(['node', 'trainer/bin.mjs']);
    expect(await called([...words, '/bundles/default'])).toBe(1);
    const [, unit = ''] = /^ExecStart=\S+\/ulmfit (.*)$/m.exec(await read('serve/deploy/ulmfit.service')) ?? [];
    expect(await called(unit.split(' '))).toBe(1);
    const [, args = ''] = /^ +args:\n((?: +- .*\n)+)/m.exec(await read('serve/deploy/inferenceservice.yaml')) ?? [];
    const listed = Array.from(args.matchAll(/- (.*)\n/g), ([, arg = '']) => arg);
    expect(listed).toContain('reviews=/mnt/models');
    expect(await called([...words, ...listed])).toBe(1);
  });

  it('of the image need no file that is not copied', async () => {
    const dockerfile = await read('serve/deploy/Dockerfile');
    for (const room of ['text', 'trainer', 'export', 'serve']) expect(dockerfile).toContain(`COPY ${room} ${room}`);
    const ignored = (await read('serve/deploy/Dockerfile.dockerignore')).split('\n');
    for (const [, sources = ''] of dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm))
      for (const source of sources.split(' ')) expect(ignored).toContain(`!${source}`);
  });
});
