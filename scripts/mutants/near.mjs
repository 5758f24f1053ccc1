// Which tests come by a place, before any fault: TypeScript is asked by probes, in one run of all tests; what is compiled, and what runs
// in processes of its own, is found by names.
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { PARTS } from "./draw.mjs";
import { files, plant, sourceOf, tree } from "./tree.mjs";

/** The test files that may judge a part's faults. */
export function testsOf(part) {
  const folders = PARTS[part].tests;
  return files.filter(
    (file) => folders.some((folder) => file.startsWith(folder)) && /(?<!\.gpu)\.test\.ts$/.test(file),
  );
}

/** Tests whose names have the first words of the file's in them, or that import it by name; those with the most of its words first. */
export function namedTests({ part, file }) {
  const stem = basename(file).replace(/\.\w+$/, "");
  const words = stem.replaceAll("_", "-").split("-");
  const score = (test) => {
    if (new RegExp(`/${stem}\\.ts"`).test(sourceOf(test))) return words.length + 1;
    const name = basename(test);
    for (let most = words.length; most > 0; most--) {
      if (name.includes(words.slice(0, most).join("-")))
        return most + (isOfCuda(test) === isOfCuda(file) ? 0.5 : 0);
    }
    return 0;
  };
  return testsOf(part)
    .map((test) => ({ test, score: score(test) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .map(({ test }) => test);
}

/** Where no probe stands: the tests that ran the kernel, those that ran any for what kernels share, or those for the same processor. */
export function testsWithoutProbes({ part, file }, kernelsOf) {
  const tests = testsOf(part);
  if (file.endsWith(".ts")) return tests;
  if (!/\.cuh?$/.test(file)) return tests.filter((test) => isOfCuda(test) === isOfCuda(file));
  const kernel = basename(file, ".cu");
  return tests.filter((test) => {
    const ran = kernelsOf.get(test) ?? [];
    return file.endsWith(".cuh") ? ran.length > 0 : ran.includes(kernel);
  });
}

function isOfCuda(path) {
  return /\bcuda\b|cuda_|native\/kernels/.test(path);
}

/** Puts a probe at each fault's place, all at once, which notes in `folder` that it was come by; `after` takes them away. */
export function withProbes(mutants) {
  const probed = [...grouped(mutants.filter(({ probe }) => probe !== undefined))];
  for (const [file, list] of probed) plant(file, probedText(sourceOf(file), list));
  const folder = join(tree, ".reached");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const after = () => {
    for (const [file] of probed) plant(file, sourceOf(file));
  };
  return { folder, after };
}

/** By number of a fault, the test files that came by it; by test file, the CUDA kernels that it ran. */
export function reachedIn(folder) {
  const tests = new Map();
  const kernelsOf = new Map();
  for (const name of readdirSync(folder)) {
    const { file, numbers, kernels } = JSON.parse(readFileSync(join(folder, name), "utf8"));
    const test = file.slice(tree.length + 1);
    for (const number of numbers) tests.set(number, [...(tests.get(number) ?? []), test]);
    kernelsOf.set(test, kernels);
  }
  return { tests, kernelsOf };
}

function probedText(source, mutants) {
  const edits = mutants.flatMap(({ probe: { at, length }, number }) => [
    // Of two places that begin together the longer is the outer one, and ends later.
    { at, order: length, text: `(globalThis.reached?.(${number}), ` },
    { at: at + length, order: -length, text: ")", closes: true },
  ]);
  edits.sort(
    (a, b) => b.at - a.at || Number(a.closes ?? false) - Number(b.closes ?? false) || a.order - b.order,
  );
  return edits.reduce((text, { at, text: added }) => text.slice(0, at) + added + text.slice(at), source);
}

function grouped(mutants) {
  const map = new Map();
  for (const mutant of mutants) map.set(mutant.file, [...(map.get(mutant.file) ?? []), mutant]);
  return map;
}
