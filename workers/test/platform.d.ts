// The few names of the test platform that the tests use.

declare module 'cloudflare:workers' {
  /** What wrangler.jsonc and vitest.config.ts bind. */
  export const env: Required<Pick<import('../src/environment.ts').Env, 'ASSETS' | 'SESSIONS' | 'JOBS' | 'JOB_PARTS'>>;
  /** The Worker under test, in the isolate of the tests. */
  export const exports: { readonly default: { fetch(input: string, init?: RequestInit): Promise<Response> } };
}

declare module 'cloudflare:test' {
  export function createExecutionContext(): ExecutionContext;
  /** Waits for everything that was given to waitUntil. */
  export function waitOnExecutionContext(context: ExecutionContext): Promise<void>;
  /** Tears an object down as the platform does when it is idle: what it has in memory is lost, its storage stays. */
  export function evictDurableObject(stub: unknown): Promise<void>;
  /** Runs an object's alarm now. @returns whether one was set */
  export function runDurableObjectAlarm(stub: unknown): Promise<boolean>;
}
