import { randomFrom } from "../../core/test/random.ts";

/** Numbers of a normal distribution, the same for the same seed (Box and Muller 1958). */
export function normal(seed: number, count: number, scale = 1): number[] {
  const uniform = randomFrom(seed);
  return Array.from(
    { length: count },
    () => scale * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}
