// Which faults: at random, the same for the same seed and the same text; at most three in one file.
import { readFileSync } from "node:fs";
import { mutationsOf } from "./mutations.mjs";
import { files, sourceOf } from "./tree.mjs";

/** By part: the files whose faults count, and where the tests stand that may judge them. */
export const PARTS = {
  core: { files: /^packages\/core\/src\//, tests: ["packages/core/", "packages/tensor/src/qk-norm/"] },
  tensor: { files: /^packages\/tensor\/src\//, tests: ["packages/tensor/"] },
  models: { files: /^packages\/models\/src\//, tests: ["packages/models/"] },
  codemods: { files: /^codemods\/src\//, tests: ["codemods/"] },
  native: {
    // Left out: what only the compiler reads, and headers with which all of the addon is compiled anew.
    files: /^native\/(addon|cpu|cuda|kernels|src)\/(?!driver_api_check|dtype\.h|isa\.h)/,
    tests: ["native/", "packages/tensor/"],
  },
};
const MOST_PER_FILE = 3;

/** All faults of a part, in an order drawn by the seed. */
export function drawn(part, seed) {
  const random = generator(seed);
  const all = files
    .filter(
      (file) => PARTS[part].files.test(file) && /(?<!\.test|\.test-d|\.d)\.(ts|cc|h|cu|cuh)$/.test(file),
    )
    .flatMap((file) => {
      const source = sourceOf(file);
      const mutants = mutationsOf(file, source).map((mutation) => placed(part, file, source, mutation));
      return shuffled(mutants, random).slice(0, MOST_PER_FILE);
    });
  return shuffled(all, random);
}

/** The faults of an earlier report that no test saw, or of a list, where their lines stand now. */
export function recorded(path) {
  return read(path)
    .mutants.filter(({ end }) => end === undefined || end === "survived")
    .map(({ end, by, test, ...mutant }) => {
      const source = sourceOf(mutant.file);
      const places = placesOf(source, mutant.code);
      if (places.length === 0) throw new Error(`${mutant.file} no longer has ${mutant.code}`);
      const distance = (place) => Math.abs(lineOf(source, place) - mutant.line);
      const at = places.sort((a, b) => distance(a) - distance(b))[0] + mutant.column;
      const same = mutationsOf(mutant.file, source).find((one) => one.at === at && one.text === mutant.text);
      return { ...mutant, line: lineOf(source, at), at, probe: same?.probe };
    });
}

export function read(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

function placed(part, file, source, { at, length, text, kind, probe }) {
  const begin = source.lastIndexOf("\n", at) + 1;
  const end = source.indexOf("\n", at + length);
  const code = source.slice(begin, end < 0 ? undefined : end);
  const before = source.slice(at, at + length);
  return {
    part,
    file,
    line: lineOf(source, at),
    kind,
    at,
    column: at - begin,
    length,
    code,
    before,
    text,
    probe,
  };
}

function placesOf(source, code) {
  const places = [];
  for (let at = source.indexOf(code); at >= 0; at = source.indexOf(code, at + 1)) places.push(at);
  return places;
}

function lineOf(text, at) {
  return text.slice(0, at).split("\n").length;
}

function shuffled(list, random) {
  const all = [...list];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all;
}

// Mulberry32.
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
