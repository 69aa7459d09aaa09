import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, projectFolder } from '../trainer/engine/cache.ts';
import { run } from '../trainer/engine/tools.ts';
import type { ContenderCommand } from './contender.ts';
import type { Skipped } from './statistics.ts';
import type { Workload } from './workload.ts';

/** A Python that has PyTorch and fastai, or why there is none. */
export type Peer = { readonly python: string } | Skipped;

/** Where `ulmfit benchmark setup-peer` puts PyTorch and fastai. */
export function peerFolder(): string {
  return join(cacheFolder(), 'benchmark-peer');
}

/** The Python of a virtual environment. */
export function pythonOf(folder: string): string {
  return join(folder, 'bin', 'python');
}

/** The folder of the scripts that are the peer. */
export const PEER_SCRIPTS = join(projectFolder(), 'benchmark', 'peers');

/**
 * The C library keeps freed memory for the next step instead of giving it back to the system: what makes PyTorch's language-model training
 * fastest (freshly mapped pages are slow), at the price of a higher peak. It made no difference to the classifier.
 */
const KEEP_FREED_MEMORY = { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: '100000000000', MALLOC_TOP_PAD_: '268435456' };

/**
 * Finds the peer's Python.
 *
 * @param given a path or name from the command line; else the one that `setup-peer` has made
 */
export async function findPeer(given: string | undefined): Promise<Peer> {
  const python = given ?? pythonOf(peerFolder());
  if (given === undefined && !existsSync(python)) {
    return { skipped: 'PyTorch and fastai are not installed; `ulmfit benchmark setup-peer` installs them' };
  }
  const outcome = await run([python], ['-c', 'import torch, fastai.text.models'], {});
  if (outcome?.status === 0) return { python };
  const reason = outcome?.stderr.trim().split('\n').at(-1) ?? 'there is no such program';
  return { skipped: `${python} does not run PyTorch with fastai (${reason}); \`ulmfit benchmark setup-peer\` installs them` };
}

/** How a peer is started, or that it is left out. */
export type PeerCommand = ContenderCommand | (Skipped & { readonly name: string });

/** How the peer is started for a workload. */
export function peerCommand(name: string, workload: Workload, peer: Peer): PeerCommand {
  const script = workload.task === 'lm' ? 'language_model.py' : 'classifier.py';
  return scriptCommand(name, script, peer, workload.task === 'lm' ? KEEP_FREED_MEMORY : {});
}

/** The peers of `benchmark serve`: the classifier as fastai leaves it, and in smaller numbers. */
export const SERVING_PEERS = [
  { name: 'fastai fp32', variant: 'fastai' },
  { name: 'PyTorch int8', variant: 'int8' },
  { name: 'PyTorch bf16', variant: 'bf16' },
] as const;

/** How a peer of `benchmark serve` is started. */
export function servingPeerCommand(name: string, peer: Peer): PeerCommand {
  return scriptCommand(name, 'serving.py', peer);
}

function scriptCommand(name: string, script: string, peer: Peer, environment: Readonly<Record<string, string>> = {}): PeerCommand {
  if ('skipped' in peer) return { name, ...peer };
  return {
    name,
    program: peer.python,
    args: [join(PEER_SCRIPTS, script)],
    environment: { PYTHONDONTWRITEBYTECODE: '1', PYTHONWARNINGS: 'ignore', ...environment },
  };
}
