/** Does something with every item, so many at a time, in their order. */
export async function inParallel<Item>(items: readonly Item[], atATime: number, work: (item: Item) => Promise<unknown>): Promise<void> {
  // One iterator for all: whoever is done takes the next item.
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: atATime }, worker));
}
