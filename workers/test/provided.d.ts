import 'vitest';

import type { Answer } from '../../serve/schema.ts';
import type { BundleName } from './texts.ts';

declare module 'vitest' {
  /** What globalSetup.ts provides. */
  interface ProvidedContext {
    assetsFolder: string;
    /** What onnxruntime-node answers to TEXTS. */
    nodeAnswers: Record<BundleName, readonly Answer[]>;
  }
}
