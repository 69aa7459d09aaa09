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
import { GraphRuntime, type GraphSession } from '../../serve/graphRuntime.ts';
import { KERNEL_FILE, parseKernelDescription } from '../kernel/description.ts';
import { KernelLoader, type KernelHost } from './kernelBundle.ts';
import type { WeightShard } from './onnxSession.ts';

/** Where a bundle is loaded: all that differs between an edge isolate and a browser. */
export interface BundleHost extends KernelHost {
  /** The file as it comes, or undefined where there is none of that name. */
  find(file: string): Promise<Response | undefined>;
  /** Loads a graph on onnxruntime-web. */
  createSession(graph: Uint8Array, shards: readonly WeightShard[]): Promise<GraphSession>;
}

/**
 * Loads a bundle and verifies every checksum. Where there are weights that were packed for the kernel of our own, it runs on that, otherwise
 * on onnxruntime-web. The weights are handed over as they came, file by file: there is no second copy of them in between. Of a pair one model
 * is loaded after the other.
 *
 * @throws KernelMemoryError when the models need more memory than they may have; UserError when a file is damaged or not of this bundle; what
 *   the host threw when one is missing
 */
export async function loadBundleFrom(host: BundleHost): Promise<LoadedBundle> {
  const bundle = parseBundle(parseJson(await readBytes(host, BUNDLE_FILE)));
  verifyChecksum(bundle, BUNDLE_FILE, await sha256Hex(bundleChecksumText(bundle)));
  const vocabularies = await readVocabularies(bundle, async (file) => parseJson(await readVerified(host, bundle, file)));
  const openModel = await runtimeOpener(host, bundle);
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

async function runtimeOpener(host: BundleHost, bundle: Bundle): Promise<(member: BundleMember) => Promise<ClassifierRuntime>> {
  const packed = await host.find(KERNEL_FILE);
  if (packed === undefined) return (member) => openGraph(host, bundle, member);
  const loader = new KernelLoader(bundle, parseKernelDescription(await packed.json()), host);
  return (member) => loader.load(member);
}

async function openGraph(host: BundleHost, bundle: Bundle, member: BundleMember): Promise<ClassifierRuntime> {
  const graph = await readVerified(host, bundle, member.graph);
  const weights: WeightShard[] = [];
  for (const path of member.shards) weights.push({ path, data: await readVerified(host, bundle, path) });
  return new GraphRuntime(member, outputCount(bundle), await host.createSession(graph, weights));
}

function parseJson(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}

async function readVerified(host: BundleHost, bundle: Bundle, file: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readBytes(host, file);
  verifyChecksum(bundle, file, await sha256Hex(bytes));
  return bytes;
}

async function readBytes(host: BundleHost, file: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await host.open(file)).arrayBuffer());
}
