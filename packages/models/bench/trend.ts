/** A number over time. */
export interface Point {
  readonly at: number;
  readonly value: number;
}

/**
 * How much a number grew from the first point to the last, by the median of the slopes between all pairs (Theil 1950, Sen 1968): a
 * few outliers, such as a collection that came late, move it by nothing. Points in the order of `at`, two at least, else NaN.
 */
export function growthOver(points: readonly Point[]): number {
  const slopes = points.flatMap((a, i) =>
    points.slice(i + 1).map((b) => (b.value - a.value) / (b.at - a.at)),
  );
  const [first, last] = [points[0], points.at(-1)];
  if (slopes.length === 0 || first === undefined || last === undefined) return Number.NaN;
  return median(slopes) * (last.at - first.at);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}
