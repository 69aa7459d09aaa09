/** Files that were deployed with the Worker. */

/** Assets are asked for by path; the host is part of the form only. */
const ASSET_HOST = 'https://assets.invalid';

/** @throws Error when there is no asset of that name */
export async function openAsset(assets: Fetcher, file: string): Promise<Response> {
  const response = await assets.fetch(`${ASSET_HOST}/${file}`);
  if (!response.ok) throw missing(file, response.status);
  return response;
}

/** An asset, or undefined where there is none of that name. */
export async function findAsset(assets: Fetcher, file: string): Promise<Response | undefined> {
  const response = await assets.fetch(`${ASSET_HOST}/${file}`);
  if (response.status === 404) return undefined;
  if (!response.ok) throw missing(file, response.status);
  return response;
}

/** An asset's bytes as they come: never in an isolate's memory as a whole. */
export async function streamAsset(assets: Fetcher, file: string): Promise<ReadableStream<Uint8Array>> {
  const { body, status } = await openAsset(assets, file);
  if (body === null) throw missing(file, status);
  return body;
}

function missing(file: string, status: number): Error {
  return new Error(`The asset ${file} was answered with ${status}. Deploy again from a bundle.`);
}
