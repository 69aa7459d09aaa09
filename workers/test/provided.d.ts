import 'vitest';

declare module 'vitest' {
  /** What globalSetup.ts provides. */
  interface ProvidedContext {
    assetsFolder: string;
    labels: string[];
    /** What onnxruntime-node answers to TEXTS: the logits of each. */
    nodeLogits: number[][];
  }
}
