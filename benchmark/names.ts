/** What the contenders are called in results and progress lines. */
export const OURS = 'ulmfit';
export const PYTORCH = 'PyTorch';
export const FASTAI = 'fastai';
export const LIMIT = 'matrix products';
/** The graph of a bundle on onnxruntime, without tokenizer, server or client. */
export const GRAPH = 'graph alone';
