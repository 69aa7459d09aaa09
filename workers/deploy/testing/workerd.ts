import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

/** Why the platform's runtime does not run on this machine; undefined where it does. */
export function whyNoWorkerd(): string | undefined {
  try {
    const require = createRequire(createRequire(import.meta.url).resolve('wrangler/package.json'));
    const { default: program } = require('workerd') as { readonly default: string };
    const { status, error, stderr } = spawnSync(program, ['--version'], { encoding: 'utf8' });
    return status === 0 ? undefined : `workerd does not run here: ${error?.message ?? stderr.trim()}`;
  } catch (error) {
    return `workerd is not installed: ${error instanceof Error ? error.message : String(error)}`;
  }
}
