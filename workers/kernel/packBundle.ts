/** A bundle's weights as assets for the kernel. For Node, before a deployment. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { BUNDLE_FILE } from '../../export/bundle.ts';
import type { BundleFolder } from '../../export/bundleFolder.ts';
import { UserError } from '../../text/errors.ts';
import {
  KERNEL_BATCH,
  KERNEL_FILE,
  KERNEL_FORMAT_VERSION,
  type KernelDescription,
  type KernelMember,
  MAX_KERNEL_BYTES,
} from './description.ts';
import { readGraphWeights } from './graphWeights.ts';
import { weightLayout, workLayout } from './layout.ts';
import { packWeights } from './pack.ts';
import { requireKernelParity } from './parity.ts';

/** A third of what a static asset may have. */
const PIECE_BYTES = 8 * 2 ** 20;

/** A file to be written. */
interface Piece {
  readonly name: string;
  readonly data: Uint8Array;
}

/**
 * Writes kernel.json and the weights' pieces into a folder.
 *
 * @param texts what the kernel and onnxruntime are both asked, before anything is deployed; nothing is compared when there are none.
 * @param maxBytes the most memory that the kernel may take for all models together.
 * @throws Error when their answers differ by more than the tolerance; UserError when the models need more memory than an isolate can give the kernel.
 */
export async function writeKernelAssets(
  content: BundleFolder,
  folder: string,
  texts: readonly string[] = [],
  maxBytes: number = MAX_KERNEL_BYTES,
): Promise<KernelDescription> {
  const { bundle, members } = content;
  let memoryBytes = 0;
  const described: KernelMember[] = [];
  for (const { description, graphPath } of members) {
    const weights = await readGraphWeights(graphPath, description);
    const layout = weightLayout(weights.sizes);
    memoryBytes += workLayout(layout, layout.bytes, KERNEL_BATCH).bytes;
    requireMemory(memoryBytes, maxBytes, members.length > 1);
    const pieces = piecesOf(description.direction, packWeights(weights));
    for (const { name, data } of pieces) await writeFile(join(folder, name), data);
    described.push({
      direction: description.direction,
      headHidden: weights.sizes.headHidden,
      files: pieces.map(({ name, data }) => ({ name, bytes: data.length, sha256: createHash('sha256').update(data).digest('hex') })),
    });
  }
  const packed: KernelDescription = {
    formatVersion: KERNEL_FORMAT_VERSION,
    bundle: bundle.checksums[BUNDLE_FILE] ?? '',
    members: described,
  };
  const result = texts.length === 0 ? packed : { ...packed, parity: { ...(await requireKernelParity(content, packed, folder, texts)) } };
  await writeFile(join(folder, KERNEL_FILE), `${JSON.stringify(result)}\n`);
  return result;
}

function piecesOf(direction: string, image: Uint8Array): Piece[] {
  return Array.from({ length: Math.ceil(image.length / PIECE_BYTES) }, (_, index) => ({
    name: `${direction}-kernel-${String(index).padStart(2, '0')}.bin`,
    data: image.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES),
  }));
}

function requireMemory(bytes: number, maxBytes: number, isPair: boolean): void {
  if (bytes <= maxBytes) return;
  const inMebibytes = (value: number) => (value / 2 ** 20).toFixed(1);
  throw new UserError(
    `With 8-bit weights the bundle needs ${inMebibytes(bytes)} MiB of memory; at the edge it may have ${inMebibytes(maxBytes)}. ` +
      `Train a smaller model${isPair ? ', export one of its two directions' : ''}, or serve this one with \`ulmfit serve\`.`,
  );
}
