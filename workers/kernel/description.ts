/** What the Worker must know of weights that were packed for the kernel: the asset kernel.json. */
import * as v from 'valibot';

import { DIRECTIONS } from '../../export/bundle.ts';
import { UserError } from '../../text/errors.ts';

/** The asset's name. A deployment that has it runs on the kernel, one without it on onnxruntime-web. */
export const KERNEL_FILE = 'kernel.json';

/** The version of the packed weights' layout, which layout.ts decides. */
export const KERNEL_FORMAT_VERSION = 1;

/**
 * The most memory that the kernel may take for all models of a bundle. An isolate has 128 MB: the program, the vocabulary and
 * what requests hold take their share.
 */
export const MAX_KERNEL_BYTES = 80 * 2 ** 20;

/** Documents in a call of the kernel. */
export const KERNEL_BATCH = 16;

const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const checksum = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const descriptionSchema = v.strictObject({
  formatVersion: v.literal(KERNEL_FORMAT_VERSION),
  /** The checksum of the bundle.json that the weights were packed from. */
  bundle: checksum,
  members: v.array(
    v.strictObject({
      direction: v.picklist(DIRECTIONS),
      headHidden: count,
      /** The image of the weights in pieces, in their order. */
      files: v.array(
        v.strictObject({ name: v.pipe(v.string(), v.regex(/^(forward|backward)-kernel-\d{2,3}\.bin$/)), bytes: count, sha256: checksum }),
      ),
    }),
  ),
  /** How far the kernel's answers were from onnxruntime's with the bundle's own weights, where documents were at hand to compare. */
  parity: v.exactOptional(v.record(v.string(), v.pipe(v.number(), v.finite(), v.minValue(0)))),
});

export type KernelDescription = v.InferOutput<typeof descriptionSchema>;
export type KernelMember = KernelDescription['members'][number];

/** @throws UserError when it is not what this version of the Worker understands. */
export function parseKernelDescription(json: unknown): KernelDescription {
  const result = v.safeParse(descriptionSchema, json);
  if (result.success) return result.output;
  throw new UserError(
    `${KERNEL_FILE} is not of this version of the Worker (${v.getDotPath(result.issues[0]) ?? 'as a whole'}). Deploy again from the bundle.`,
  );
}
