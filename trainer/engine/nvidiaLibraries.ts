import { createRequire } from 'node:module';
import type { EngineLayout } from './cache.ts';
import { OLDEST_DRIVER } from './card.ts';

/** The part of the driver that programs call. It lies in one of the system's folders. */
const DRIVER_LIBRARY = 'libcuda.so.1';

/**
 * Loads NVIDIA's libraries from the cache, so that TensorFlow, which opens them by name, finds them without LD_LIBRARY_PATH.
 *
 * @returns why some of them, or the driver, do not load
 */
export function openNvidiaLibraries(layout: EngineLayout): string[] {
  if (layout.preloaded.length === 0) return [];
  const { open } = createRequire(import.meta.url)(layout.libraryOpener.path) as {
    open(this: void, path: string): string | undefined;
  };
  return [...layout.preloaded, DRIVER_LIBRARY].map((path) => open(path)).filter((reason) => reason !== undefined);
}

/**
 * Why TensorFlow has taken no GPU.
 *
 * @param unopened what {@link openNvidiaLibraries} returned
 * @param lines what TensorFlow wrote when it looked for a GPU
 */
export function reasonWithoutGpu(unopened: readonly string[], lines: readonly string[]): string {
  const [library] = unopened.filter((reason) => !reason.includes(DRIVER_LIBRARY));
  if (library !== undefined) return `NVIDIA's libraries do not load (${library}); \`npx ulmfit setup --gpu\` repairs them`;
  const [driver] = unopened;
  if (driver !== undefined) return `NVIDIA's driver does not load (${driver}); install it, ${OLDEST_DRIVER} or newer`;
  // Without the time, the thread and the place in TensorFlow's sources.
  const said = lines.map((line) => line.replace(/^.*?\.(?:cc|h):\d+\] /, '').trim()).filter(Boolean);
  const words = said.length > 0 ? ` (${said.join('; ')})` : '';
  return `TensorFlow finds none that it can compute on${words}; see that \`nvidia-smi\` works and shows driver ${OLDEST_DRIVER} or newer`;
}
