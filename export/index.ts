/**
 * `ulmfit/export`: a trained classifier in, a bundle out, ready to serve. For Node; TensorFlow and onnxruntime are loaded by `exportClassifier`.
 */
export { exportClassifier, type ExportClassifierOptions } from '../trainer/api/exportClassifier.ts';
export { parseBundle, type Bundle, type BundleMember, type ParityFigures } from './bundle.ts';
export { readBundle, type BundleFolder } from './bundleFolder.ts';
