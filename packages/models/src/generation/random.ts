/** A stream of pseudo-random numbers, the same on every machine for the same seed. Not for secrets. */
export interface RandomSource {
  /** Uniform in [0, 1), 53 bits. */
  next(): number;
}

type State = [number, number, number, number];

/**
 * xoshiro128** 1.1 (Blackman and Vigna, https://prng.di.unimi.it/xoshiro128starstar.c), its 128 bits of state filled
 * from `seed` by SplitMix64, as its authors advise.
 *
 * @param seed integer from 0 to 2^53 - 1
 */
export function createRandomSource(seed: number): RandomSource {
  const nextUint32 = xoshiro128(splitMixState(seed));
  return {
    next() {
      const high = nextUint32() >>> 5; // 27 bits
      const low = nextUint32() >>> 6; // 26 bits
      return (high * 2 ** 26 + low) / 2 ** 53;
    },
  };
}

/** A seed for when none was asked for: 53 bits of the platform's entropy. */
export function randomSeed(): number {
  const [high, low] = globalThis.crypto.getRandomValues(new Uint32Array(2));
  return (high! >>> 11) * 2 ** 32 + low!;
}

/** The generator on a given state, as 32-bit unsigned integers; the state must not be all zero. */
export function xoshiro128(state: Readonly<State>): () => number {
  let [a, b, c, d] = state;
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return result;
  };
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function splitMixState(seed: number): State {
  const next = splitMix64(BigInt(seed));
  const [first, second] = [next(), next()];
  const low = (word: bigint) => Number(word & 0xffffffffn);
  const high = (word: bigint) => Number(word >> 32n);
  return [low(first), high(first), low(second), high(second)];
}

/** SplitMix64 (Steele, Lea and Flood; Vigna's https://prng.di.unimi.it/splitmix64.c), as 64-bit unsigned integers. */
export function splitMix64(seed: bigint): () => bigint {
  let state = seed;
  return () => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let mixed = state;
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    return mixed ^ (mixed >> 31n);
  };
}
