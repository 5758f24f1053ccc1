import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";
import * as core from "./index.ts";

const folder = new URL("./", import.meta.url);
const sources = readdirSync(folder).filter((file) => /(?<!\.test|\.test-d)\.ts$/.test(file));
const textOf = (file: string): string => readFileSync(new URL(file, folder), "utf8");

test("core has no dependency at run time", () => {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", folder), "utf8")) as Record<
    string,
    unknown
  >;
  for (const field of ["dependencies", "peerDependencies", "optionalDependencies"]) {
    expect(manifest[field] ?? {}, field).toEqual({});
  }
});

test("core imports its own files alone: no package, nothing of Node", () => {
  expect(sources.length).toBeGreaterThan(10);
  const foreign = sources.flatMap((file) =>
    [...textOf(file).matchAll(/(?:from|import|require)\s*\(?\s*["']([^"']+)["']/g)]
      .map((match) => match[1] as string)
      .filter((specifier) => !/^\.\/[a-z0-9-]+\.ts$/.test(specifier))
      .map((specifier) => `${file}: ${specifier}`),
  );
  expect(foreign).toEqual([]);
});

test("core uses no global of Node", () => {
  // Comments may name them.
  const code = sources.map((file) => [file, textOf(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")] as const);
  const used = code.filter(([, text]) =>
    /\b(?:process|Buffer|global|__dirname|setImmediate)\b[.(]/.test(text),
  );
  expect(used.map(([file]) => file)).toEqual([]);
});

// `npm run test:packed` asks the same of what is published.
test("a call of core adds less than 5000 bytes to a bundle, minified and compressed", async () => {
  const { outputFiles } = await build({
    stdin: { contents: 'export { applyQkNorm } from "./index.ts"', resolveDir: fileURLToPath(folder) },
    ...{ bundle: true, minify: true, write: false, format: "esm", platform: "browser" },
  });
  expect(gzipSync(outputFiles[0]?.contents as Uint8Array, { level: 9 }).length).toBeLessThan(5000);
});

test("core exports this and nothing else", () => {
  expect(Object.keys(core).sort()).toEqual([
    "QkNormError",
    "applyQkNorm",
    "applyQkNormRope",
    "assertNormSpec",
    "capture",
    "copyNormSpec",
    "currentStream",
    "decodeBf16",
    "decodeE4m3",
    "decodeF16",
    "encodeBf16",
    "encodeE4m3",
    "encodeF16",
    "explainQkNorm",
    "explainQkNormRope",
    "formatShape",
    "fusedQkNormProviders",
    "isCapturing",
    "isQkNormError",
    "largestE4m3",
    "planQkNorm",
    "planQkNormRope",
    "referenceNorm",
    "registerFusedQkNorm",
    "roundTo",
    "sameCacheMemory",
    "sameNormSpec",
    "sameRopeSpec",
    "scaleE4m3",
    "setDefaultStream",
    "setQkNormLogger",
    "warmUpQkNorm",
    "warmUpQkNormRope",
    "withStream",
  ]);
});
