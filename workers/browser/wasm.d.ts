/** A module's bytes, by esbuild's binary loader: a browser compiles while it runs. */
declare module '*.wasm' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
