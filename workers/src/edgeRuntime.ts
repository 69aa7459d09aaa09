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
import type { LoadedBundle, LoadedMember } from '../../serve/classifierRuntime.ts';
import { GraphRuntime, type GraphSession } from '../../serve/graphRuntime.ts';
import { createEdgeSession, type WeightShard } from './onnxRuntime.ts';

/** Assets are asked for by path; the host is part of the form only. */
const ASSET_HOST = 'https://assets.invalid';

/**
 * Loads the bundle that was deployed as static assets, verifies every checksum and gives the weights to onnxruntime as they
 * came, file by file: there is no second copy of them in between. Of a pair one model is loaded after the other.
 *
 * @throws Error when an asset is missing; UserError when one is damaged or not of this bundle.
 */
export async function loadEdgeBundle(assets: Fetcher): Promise<LoadedBundle> {
  const bundle = parseBundle(parseJson(await readAsset(assets, BUNDLE_FILE)));
  verifyChecksum(bundle, BUNDLE_FILE, await sha256Hex(bundleChecksumText(bundle)));
  const vocabularies = await readVocabularies(bundle, async (file) => parseJson(await readVerified(assets, bundle, file)));
  const members: LoadedMember[] = [];
  try {
    for (const { member, vocabulary } of vocabularies) {
      const session = await openSession(assets, bundle, member);
      members.push({ description: member, vocabulary, runtime: new GraphRuntime(member, outputCount(bundle), session) });
    }
  } catch (error) {
    // Whoever asks next tries again, in the same memory.
    for (const { runtime } of members) await runtime.dispose();
    throw error;
  }
  return { bundle, members };
}

async function openSession(assets: Fetcher, bundle: Bundle, { graph, shards }: BundleMember): Promise<GraphSession> {
  const graphBytes = await readVerified(assets, bundle, graph);
  const weights: WeightShard[] = [];
  for (const path of shards) weights.push({ path, data: await readVerified(assets, bundle, path) });
  return createEdgeSession(graphBytes, weights);
}

function parseJson(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}

async function readVerified(assets: Fetcher, bundle: Bundle, file: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readAsset(assets, file);
  verifyChecksum(bundle, file, await sha256Hex(bytes));
  return bytes;
}

async function readAsset(assets: Fetcher, file: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await assets.fetch(`${ASSET_HOST}/${file}`);
  if (!response.ok) throw new Error(`The asset ${file} was answered with ${response.status}. Deploy again from a bundle.`);
  return new Uint8Array(await response.arrayBuffer());
}
