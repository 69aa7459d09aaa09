/** The contender that tokenizes as `ulmfit pretrain` and `finetune` do, vocabulary and ids included. See protocol.ts. */
import { readFile } from 'node:fs/promises';
import { TOKENIZER_VERSION } from '../text/tokenizer.ts';
import { encodeCorpus } from '../trainer/data/encodeCorpus.ts';
import { corpusLength } from '../trainer/data/tokenCorpus.ts';
import { version } from '../trainer/version.ts';
import { serveParent } from './protocol.ts';
import type { TokenizingWork } from './tokenizingWork.ts';

/** Of the paper: more than a sample of reviews has. */
const LIMITS = { maxSize: 60_000, minCount: 3 };

await serveParent<TokenizingWork>(async ({ documents, threads }) => {
  const lines = (await readFile(documents, 'utf8')).trimEnd().split('\n');
  const texts = lines.map((line) => [JSON.parse(line) as string]);
  return {
    versions: { ulmfit: version(), node: process.versions.node, tokenizer: String(TOKENIZER_VERSION) },
    async run(steps) {
      let tokens = 0;
      for (const _ of steps) tokens = corpusLength((await encodeCorpus(oneByOne(texts), LIMITS, { threads })).corpus);
      return { tokens };
    },
  };
});

async function* oneByOne<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}
