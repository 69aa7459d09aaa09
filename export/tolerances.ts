/** How far a bundle's answers may be from the trainer's. */
import type { Precision } from './bundle.ts';

/** The largest difference that graphs may show: of a probability, or of a value relative to its range or itself. */
export const TOLERANCES: Readonly<Record<Precision, number>> = { fp32: 1e-4, fp16: 1e-3, int8: 0.05 };

/** The share of documents that may get other labels, whatever the precision. */
export const MOST_OTHER_LABELS = 0.005;

/** The largest difference that the documents beside it may make to an answer, whatever the precision. */
export const BATCH_TOLERANCE = 1e-4;
