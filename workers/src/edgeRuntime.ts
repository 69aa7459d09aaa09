import {
  BUNDLE_FILE,
  bundleChecksumText,
  parseBundle,
  parseVocabulary,
  sha256Hex,
  verifyChecksum,
  type Bundle,
} from '../../export/bundle.ts';
import { GraphRuntime } from '../../serve/graphRuntime.ts';
import { createEdgeSession, type WeightShard } from './onnxRuntime.ts';

/** A bundle that is ready to run. */
export interface LoadedBundle {
  readonly runtime: GraphRuntime;
  /** The vocabulary in the order of its ids. */
  readonly vocabulary: readonly string[];
}

/** Assets are asked for by path; the host is part of the form only. */
const ASSET_HOST = 'https://assets.invalid';

/**
 * Loads the bundle that was deployed as static assets, verifies every checksum and gives the weights to onnxruntime as they
 * came, file by file: there is no second copy of them in between.
 *
 * @throws Error when an asset is missing; UserError when one is damaged or not of this bundle.
 */
export async function loadEdgeBundle(assets: Fetcher): Promise<LoadedBundle> {
  const bundle = parseBundle(JSON.parse(new TextDecoder().decode(await readAsset(assets, BUNDLE_FILE))));
  verifyChecksum(bundle, BUNDLE_FILE, await sha256Hex(bundleChecksumText(bundle)));
  const vocabulary = parseVocabulary(bundle, JSON.parse(new TextDecoder().decode(await readVerified(assets, bundle, bundle.vocabulary))));
  const graph = await readVerified(assets, bundle, bundle.graph);
  const shards: WeightShard[] = [];
  for (const path of bundle.shards) shards.push({ path, data: await readVerified(assets, bundle, path) });
  return { runtime: new GraphRuntime(bundle, await createEdgeSession(graph, shards)), vocabulary };
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
