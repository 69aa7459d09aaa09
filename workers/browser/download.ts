/** How often one is told how much of all has come. */
const STEPS = 100;

/** Files from the server, and how much of them has come. */
export class Download {
  readonly #key: string;
  readonly #onProgress: (bytes: number, of: number) => void;
  #bytes = 0;
  #of = 0;
  #told = 0;

  /** @param key that the server wants, or nothing */
  constructor(key: string, onProgress: (bytes: number, of: number) => void) {
    this.#key = key;
    this.#onProgress = onProgress;
  }

  /** From now on, of so many bytes. */
  expect(bytes: number): void {
    this.#bytes = 0;
    this.#of = bytes;
    this.#tell();
  }

  /** @throws Error with what the server said when there is no such file, or it cannot be reached */
  async open(address: string): Promise<Response> {
    const response = await fetch(address, this.#key === '' ? {} : { headers: { authorization: `Bearer ${this.#key}` } }).catch(() => {
      throw new Error('The server cannot be reached.');
    });
    if (!response.ok) throw new Error(await refusalOf(response));
    const counting = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform: (piece, controller) => {
        this.#bytes += piece.length;
        // In steps that a person can see: there are many more pieces.
        if (this.#bytes - this.#told >= this.#of / STEPS) this.#tell();
        controller.enqueue(piece);
      },
    });
    return new Response(response.body?.pipeThrough(counting) ?? null);
  }

  #tell(): void {
    this.#told = this.#bytes;
    if (this.#of > 0) this.#onProgress(this.#bytes, this.#of);
  }
}

async function refusalOf(response: Response): Promise<string> {
  const answer = (await response.json().catch(() => undefined)) as { error?: { message?: string } } | undefined;
  return answer?.error?.message ?? `The server answered ${response.status}.`;
}
