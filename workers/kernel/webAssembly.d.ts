// The few names of WebAssembly that run the kernel on Node, whose types leave them out. The Worker has them from TypeScript's WebWorker library.

declare namespace WebAssembly {
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
  const Memory: new (size: { readonly initial: number; readonly maximum: number }) => Memory;
  /** Compiled code, of which nothing is looked at. */
  interface Module {
    toString(): string;
  }
  const Module: new (bytes: Uint8Array<ArrayBuffer>) => Module;
  interface Instance {
    readonly exports: Readonly<Record<string, unknown>>;
  }
  const Instance: new (module: Module, imports: Readonly<Record<string, Readonly<Record<string, Memory>>>>) => Instance;
  function validate(bytes: Uint8Array<ArrayBuffer>): boolean;
}
