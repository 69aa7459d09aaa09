import plain from '../kernel/lstm-plain.wasm';
import relaxed from '../kernel/lstm-relaxed.wasm';

/** The kernel that this browser can compile. Both give the same bits. */
export function kernelModule(): WebAssembly.Module {
  return new WebAssembly.Module(WebAssembly.validate(relaxed) ? relaxed : plain);
}
