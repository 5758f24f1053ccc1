/** What a scope frees at its end: memory of a device. */
export interface Scoped {
  free(): void;
}

/** What outlives a scope. */
interface Kept {
  has(made: Scoped): boolean;
}

// What each open scope of this thread holds, the innermost last. Outside of every scope nothing is held.
const scopes: Set<Scoped>[] = [];

/** Puts something into the innermost scope. */
export function hold(made: Scoped): void {
  scopes.at(-1)?.add(made);
}

/** Takes something out of whichever scope holds it. */
export function release(made: Scoped): void {
  for (const scope of scopes) scope.delete(made);
}

/**
 * Runs `body`, then frees what was made meanwhile, but for what `kept` finds in the result: the surrounding scope holds
 * that from then on. When either of them throws, nothing is kept.
 */
export function scoped<R>(body: () => R, kept: (result: R) => Kept): R {
  const scope = new Set<Scoped>();
  scopes.push(scope);
  let keep: Kept = new Set();
  try {
    const result = body();
    keep = kept(result);
    return result;
  } finally {
    scopes.pop();
    for (const made of scope) {
      if (keep.has(made)) hold(made);
      else made.free();
    }
  }
}
