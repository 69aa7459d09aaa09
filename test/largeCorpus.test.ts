/** A large text is tokenized and read in as much memory as a small one, and can be left half-way. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { randomNumbers } from './fixtures/tinyClassifier.ts';
import { temporaryFolder } from './temporaryFolder.ts';

const BIN = fileURLToPath(new URL('../trainer/bin.mjs', import.meta.url));

/** Tokenizes a text into a folder and reads all windows of an epoch; prints tokens and the most memory that it took, in MiB. */
const SCRIPT = `
import { fixedLengths, LanguageModelStream, shuffledOrder, streamLength } from './trainer/data/languageModelStream.ts';
import { corpusLength, documentCount } from './trainer/data/tokenCorpus.ts';
import { tokenizedText } from './trainer/recipe/tokenizedText.ts';
const [corpus, folder] = process.argv.slice(1);
const limits = { maxSize: 60_000, minCount: 3 };
const { corpus: tokens, close } = await tokenizedText(folder, { corpus, limits, check: async () => {} });
const order = shuffledOrder(documentCount(tokens), { seed: 1, step: 0 });
let read = 0;
for (const { ids } of new LanguageModelStream(tokens, order, fixedLengths(streamLength(tokens, 64), 70), { batch: 64, bptt: 70 }).windows()) read += ids.length;
close();
console.log(JSON.stringify({ tokens: corpusLength(tokens), read, peak: process.resourceUsage().maxRSS / 1024 }));
`;

interface Outcome {
  readonly tokens: number;
  /** Tokens in windows. */
  readonly read: number;
  readonly peak: number;
}

async function tokenizeAndRead(corpus: string, folder: string): Promise<Outcome> {
  const flags = ['--max-old-space-size=64', '--max-semi-space-size=2', '--input-type=module-typescript', '-e', SCRIPT];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, corpus, folder], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
  });
  return JSON.parse(stdout) as Outcome;
}

/** Writes a text of so many megabytes: articles of words of which a few are frequent and many are rare. */
async function writeText(path: string, megabytes: number): Promise<void> {
  const random = randomNumbers(1);
  const wordAt = (rank: number): string => Array.from(rank.toString(5), (digit) => ['ka', 'lo', 'mi', 'tu', 'ne'][Number(digit)]).join('');
  const words = Array.from({ length: 20_000 }, (_, rank) => wordAt(rank));
  function* articles(): Generator<string> {
    for (let left = megabytes * 1e6; left > 0;) {
      const text = Array.from({ length: 300 }, () => words[Math.floor(words.length ** random()) - 1]).join(' ');
      const article = ` = Article = \n\n ${text}. \n\n`;
      left -= article.length;
      yield article;
    }
  }
  await pipeline(Readable.from(articles()), createWriteStream(path));
}

/** What is there of files that words are counted with. */
function unfinished(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('counting-'));
  } catch {
    return [];
  }
}

describe('a large text', { timeout: 240_000 }, () => {
  it('takes as much memory as a small one', async () => {
    const folder = await temporaryFolder();
    const outcomes: Outcome[] = [];
    // From 20 MB on the heap of JavaScript has grown to where it stays.
    for (const megabytes of [20, 70]) {
      const corpus = join(folder, `${megabytes}.txt`);
      await writeText(corpus, megabytes);
      outcomes.push(await tokenizeAndRead(corpus, join(folder, `${megabytes}`)));
    }
    const [small, large] = outcomes as [Outcome, Outcome];
    expect(large.tokens).toBeGreaterThan(3.4 * small.tokens);
    for (const { tokens, read } of outcomes) expect(tokens - read).toBeLessThanOrEqual(64);
    // The 6 million tokens more, at 4 bytes while words are counted, 2 afterwards and 4 in an epoch, would be 60 MB.
    expect(large.peak - small.peak).toBeLessThan(30);
  });

  it('can be left half-way: Ctrl-C leaves nothing behind', async () => {
    const folder = await temporaryFolder();
    const [corpus, out] = [join(folder, 'corpus.txt'), join(folder, 'run')];
    await writeText(corpus, 30);
    const child = spawn(process.execPath, [BIN, 'pretrain', corpus, '--out', out, '--preset', 'small'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    await expect.poll(() => child.exitCode !== null || unfinished(out).length > 0, { interval: 5, timeout: 100_000 }).toBe(true);
    child.kill('SIGINT');
    expect(await closed, stderr).toEqual([1, null]);
    expect(stderr).toMatch(/Stopped before the first step\. Run the same command with --resume to go on\.\n$/);
    expect(await readdir(folder)).toEqual(['corpus.txt']);
  });
});
