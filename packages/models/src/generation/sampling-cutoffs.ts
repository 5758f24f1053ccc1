/**
 * Says which of some tokens stay.
 *
 * @param weights of the tokens that are left, proportional to their probabilities
 * @returns one entry a token: 1 stays, 0 goes; one stays at least
 */
export type Cutoff = (weights: Float64Array) => Uint8Array;

/**
 * Locally typical sampling (Meister et al. 2022, arXiv 2202.00666): the tokens whose surprise is nearest to the entropy,
 * until their probabilities reach `mass`; as transformers' `TypicalLogitsWarper`, ties with the last included.
 */
export function typicalCutoff(mass: number): Cutoff {
  return (weights) => {
    const probabilities = shares(weights);
    const entropy = entropyOf(probabilities);
    const distances = probabilities.map((p) => Math.abs(-Math.log(p) - entropy));
    const order = Array.from(distances.keys()).sort((a, b) => distances[a]! - distances[b]!);
    let sum = 0;
    let last = 0;
    for (const [rank, index] of order.entries()) {
      last = rank;
      sum += probabilities[index]!;
      if (!(sum < mass)) break;
    }
    const farthest = distances[order[last]!]!;
    return Uint8Array.from(distances, (distance) => (distance <= farthest ? 1 : 0));
  };
}

/** Epsilon sampling (Hewitt et al. 2022, arXiv 2210.15191): tokens at least so probable, and the likeliest. */
export function epsilonCutoff(epsilon: number): Cutoff {
  return (weights) => atLeast(shares(weights), epsilon);
}

/** Eta sampling, of the same paper: as epsilon, but lower where the entropy is high. */
export function etaCutoff(epsilon: number): Cutoff {
  return (weights) => {
    const probabilities = shares(weights);
    const eta = Math.min(epsilon, Math.sqrt(epsilon) * Math.exp(-entropyOf(probabilities)));
    return atLeast(probabilities, eta);
  };
}

function atLeast(probabilities: Float64Array, threshold: number): Uint8Array {
  const best = probabilities.reduce((most, p) => Math.max(most, p), 0);
  return Uint8Array.from(probabilities, (p) => (p >= threshold || p === best ? 1 : 0));
}

function shares(weights: Float64Array): Float64Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** In nats. */
function entropyOf(probabilities: Float64Array): number {
  return probabilities.reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0);
}
