import type { PlaygroundFile } from '../../serve/routes/playground.ts';
import {
  BUNDLE_FILE,
  bundleChecksumText,
  outputCount,
  parseBundle,
  readVocabularies,
  sha256Hex,
  verifyChecksum,
  type Bundle,
  type BundleMember,
} from '../../export/bundle.ts';
import type { ClassifierRuntime, LoadedBundle, LoadedMember } from '../../serve/classifierRuntime.ts';
import { GraphRuntime } from '../../serve/graphRuntime.ts';
import { KERNEL_FILE, parseKernelDescription } from '../kernel/description.ts';
import { KernelLoader } from './kernelBundle.ts';
import type { WeightShard } from './onnxRuntime.ts';
import { PLAYGROUND_ASSETS } from './playgroundAssets.ts';

/** Decided when the Worker is built, see prepare.ts: a deployment for the kernel is uploaded without onnxruntime-web's 14 MiB. */
declare const WITH_ONNXRUNTIME: boolean | undefined;

/** Assets are asked for by path; the host is part of the form only. */
const ASSET_HOST = 'https://assets.invalid';

/**
 * Loads the bundle that was deployed as static assets and verifies every checksum. Where weights packed for the kernel of our own
 * are among the assets, it runs on that, otherwise on onnxruntime-web. The weights are handed over as they came, file by file:
 * there is no second copy of them in between. Of a pair one model is loaded after the other.
 *
 * @throws KernelMemoryError when the models need more memory than an isolate can give; Error when an asset is missing; UserError when one is damaged or not of this bundle.
 */
export async function loadEdgeBundle(assets: Fetcher): Promise<LoadedBundle> {
  const bundle = parseBundle(parseJson(await requireAsset(assets, BUNDLE_FILE)));
  verifyChecksum(bundle, BUNDLE_FILE, await sha256Hex(bundleChecksumText(bundle)));
  const vocabularies = await readVocabularies(bundle, async (file) => parseJson(await readVerified(assets, bundle, file)));
  const openModel = await runtimeOpener(assets, bundle);
  const members: LoadedMember[] = [];
  try {
    for (const { member, vocabulary } of vocabularies) {
      members.push({ description: member, vocabulary, runtime: await openModel(member) });
    }
  } catch (error) {
    // Whoever asks next tries again, in the same memory.
    for (const { runtime } of members) await runtime.dispose();
    throw error;
  }
  return { bundle, members };
}

async function runtimeOpener(assets: Fetcher, bundle: Bundle): Promise<(member: BundleMember) => Promise<ClassifierRuntime>> {
  const packed = await readAsset(assets, KERNEL_FILE);
  if (packed === undefined) return (member) => openGraph(assets, bundle, member);
  const loader = new KernelLoader(bundle, parseKernelDescription(parseJson(packed)), (file) => openAsset(assets, file));
  return (member) => loader.load(member);
}

async function openGraph(assets: Fetcher, bundle: Bundle, member: BundleMember): Promise<ClassifierRuntime> {
  // The import stands inside the condition: where that is false when the Worker is built, onnxruntime-web is left out.
  if (typeof WITH_ONNXRUNTIME === 'undefined' || WITH_ONNXRUNTIME) {
    const { createEdgeSession } = await import('./onnxRuntime.ts');
    const graph = await readVerified(assets, bundle, member.graph);
    const weights: WeightShard[] = [];
    for (const path of member.shards) weights.push({ path, data: await readVerified(assets, bundle, path) });
    return new GraphRuntime(member, outputCount(bundle), await createEdgeSession(graph, weights));
  }
  throw new Error(`The Worker was built without onnxruntime-web, and there is no ${KERNEL_FILE}. Deploy again from a bundle.`);
}

function parseJson(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}

async function readVerified(assets: Fetcher, bundle: Bundle, file: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await requireAsset(assets, file);
  verifyChecksum(bundle, file, await sha256Hex(bytes));
  return bytes;
}

async function requireAsset(assets: Fetcher, file: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readAsset(assets, file);
  if (bytes === undefined) throw missing(file, 404);
  return bytes;
}

/** An asset's bytes, or undefined where there is none of that name. */
async function readAsset(assets: Fetcher, file: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const response = await fetchAsset(assets, file);
  return response.status === 404 ? undefined : new Uint8Array(await response.arrayBuffer());
}

/** A file of the playground. */
export async function readPlaygroundAsset(assets: Fetcher, file: PlaygroundFile): Promise<Uint8Array<ArrayBuffer>> {
  const path = `${PLAYGROUND_ASSETS}/${file}`;
  const bytes = await readAsset(assets, path);
  if (bytes === undefined) throw missing(path, 404);
  return bytes;
}

/** An asset's bytes as they come. */
async function openAsset(assets: Fetcher, file: string): Promise<ReadableStream<Uint8Array>> {
  const { status, body } = await fetchAsset(assets, file);
  if (status === 404 || body === null) throw missing(file, status);
  return body;
}

async function fetchAsset(assets: Fetcher, file: string): Promise<Response> {
  const response = await assets.fetch(`${ASSET_HOST}/${file}`);
  if (!response.ok && response.status !== 404) throw missing(file, response.status);
  return response;
}

function missing(file: string, status: number): Error {
  return new Error(`The asset ${file} was answered with ${status}. Deploy again from a bundle.`);
}
