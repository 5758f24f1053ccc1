/** What a place in a repository is for, as far as its path and its name tell. */
export type CodeRole = "model" | "kernel" | "reference";

// biome-ignore format: word lists
const rolesOfWords: readonly (readonly [CodeRole, ReadonlySet<string>])[] = [
  // Code that checks or times comes first: a test of a kernel is a test.
  ["reference", new Set(["test", "tests", "testing", "bench", "benchmark", "benchmarks", "ref", "reference", "references", "naive", "baseline", "golden"])],
  ["kernel", new Set(["kernel", "kernels", "ops", "triton", "cuda", "csrc", "cutlass", "cutedsl", "cute", "helion", "pallas", "fla", "fusion"])],
];

/** `path` is relative to what the findings have in common: where a repository was cloned to says nothing. */
export function roleOf(path: string, symbol: string): CodeRole {
  const words = `${path}/${symbol}`.split(/[/_.-]|(?<=[a-z])(?=[A-Z])/).map((word) => word.toLowerCase());
  return rolesOfWords.find(([, known]) => words.some((word) => known.has(word)))?.[0] ?? "model";
}
