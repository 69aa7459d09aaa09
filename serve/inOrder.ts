export interface InOrderOptions<Item> {
  /** Items that are worked on, or done and not yet taken, at a time. */
  readonly atOnce: number;
  /** What an item takes of `room`. Nothing, unless told. */
  readonly sizeOf?: ((item: Item) => number) | undefined;
  /** No further item is read while those at hand take more than this. */
  readonly room?: number | undefined;
}

/**
 * Works on several items at a time and gives the results in the order of the items, each as soon as it and those before it are there.
 * Whoever takes the results sets the pace: items are read only while there is room for them.
 *
 * @param work must not reject: an item that fails has a result that says so
 * @example
 * for await (const answer of inOrder(texts, { atOnce: 32 }, (text) => answerTo(text))) console.log(answer);
 */
export async function* inOrder<Item, Result>(
  items: AsyncIterator<Item>,
  { atOnce, sizeOf = () => 0, room = 0 }: InOrderOptions<Item>,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const waiting: { readonly result: Promise<Result>; readonly size: number }[] = [];
  let taken = 0;
  let next: Promise<IteratorResult<Item>> | undefined;
  let isEnd = false;
  for (;;) {
    if (!isEnd && waiting.length < atOnce && taken <= room) next ??= items.next();
    const [head] = waiting;
    if (head === undefined && next === undefined) return;
    // Whichever comes first: a further item to begin with, or the result that is next to be given.
    const event = await Promise.race([
      ...(next === undefined ? [] : [next.then((item) => ({ item }))]),
      ...(head === undefined ? [] : [head.result.then((result) => ({ result }))]),
    ]);
    if ('result' in event) {
      taken -= waiting.shift()?.size ?? 0;
      yield event.result;
      continue;
    }
    next = undefined;
    if (event.item.done === true) isEnd = true;
    else {
      const size = sizeOf(event.item.value);
      taken += size;
      waiting.push({ result: work(event.item.value), size });
    }
  }
}
