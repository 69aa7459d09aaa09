// The few names of the test platform that the tests use.

declare module 'cloudflare:workers' {
  /** What wrangler.jsonc binds. */
  export const env: { readonly ASSETS: Fetcher };
  /** The Worker under test, in the isolate of the tests. */
  export const exports: { readonly default: { fetch(input: string, init?: RequestInit): Promise<Response> } };
}

declare module 'cloudflare:test' {
  export function createExecutionContext(): ExecutionContext;
  /** Waits for everything that was given to waitUntil. */
  export function waitOnExecutionContext(context: ExecutionContext): Promise<void>;
}
