/** A seed for when none was asked for: 53 bits of the platform's entropy. */
export function randomSeed(): number {
  const [high, low] = globalThis.crypto.getRandomValues(new Uint32Array(2));
  return (high! >>> 11) * 2 ** 32 + low!;
}
