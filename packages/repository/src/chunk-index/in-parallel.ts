const AT_ONCE = 4;

/** Does the items in their order, four at a time. After a failure no item is begun any more; those begun have ended when it rejects, so no file is opened later. */
export async function inParallel<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  const queue = items.toReversed();
  const work = async (): Promise<void> => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) {
      try {
        await action(item);
      } catch (error) {
        queue.length = 0;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
