/**
 * Launches that are packed already, by what they were packed for: the same list of values. The one that was asked for last
 * is found first, and the oldest goes when there are too many.
 */
export class KeptLaunches<Launch> {
  readonly #most: number;
  readonly #kept: { readonly like: readonly unknown[]; readonly launch: Launch }[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** The launch for these values, which `make` packs when there is none. */
  get(like: readonly unknown[], make: () => Launch): Launch {
    const kept = this.#kept;
    const at = kept.findIndex((one) => alike(one.like, like));
    if (at === 0) return (kept[0] as (typeof kept)[number]).launch;
    const found = at > 0 ? (kept.splice(at, 1)[0] as (typeof kept)[number]) : { like, launch: make() };
    kept.unshift(found);
    if (kept.length > this.#most) kept.pop();
    return found.launch;
  }
}

function alike(a: readonly unknown[], b: readonly unknown[]): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}
