// npm run gpu:bundle [-- --out FOLDER]: one folder with Node, the addon, the kernels, the GPU tests and the benchmark. It
// runs on any x86-64 Linux with an NVIDIA driver and nothing else: `FOLDER/run all`.
//
// The folder mirrors the workspace: each bundled source believes to lie where it does here, so that every path that it
// builds from import.meta.url leads to the same file.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { packNode } from "./gpu-node.mjs";
import { root, setUp } from "./setup.mjs";
import { systemFloor } from "./system-floor.mjs";

const addon = "native/build/Release/qknorm.node";
/** What is started by itself: programs, tests, and the threads of tests. */
const programs = new Set([
  ...["doctor", "run-tests", "run-file", "sanitize", "sanitize-sample"].map(
    (name) => `native/gpu/runner/${name}.ts`,
  ),
  "native/gpu/bench/main.ts",
  "native/gpu/bench/attention.ts",
  "native/gpu/bench/chain.ts",
  "native/gpu/bench/linear.ts",
  "native/gpu/bench/tune.ts",
  "packages/tensor/bench/host-gpu.bench.ts",
  ...["main", "part", "logits", "endure"].map((name) => `packages/models/bench/e2e/${name}.ts`),
  ...["main", "accuracy"].map((name) => `examples/qwen3-forward/src/${name}.ts`),
]);
const started = /\.(gpu\.test|worker)\.ts$/;
/** What the bundles read at run time. */
const assets =
  /^(native\/(package\.json|kernels\/.*|cubins\/.*\.pack|gpu\/.*\.cu|gpu\/bench\/.*\.py)|packages\/(models\/golden\/.*\.(json|safetensors)|run\/package\.json)|checkpoints\/qwen3-sums\/.*)$/;

const mostBytes = 60e6;

/**
 * Writes the folder; returns its size in bytes, and the system that it needs. With `node: "link"` it points to this
 * machine's Node instead of holding one. Throws where there is no addon, and if it grew past 60 MB.
 */
export async function bundle(out, { node: kind = "packed" } = {}) {
  const missing = setUp();
  if (missing !== null) throw new Error(`the folder needs the addon: ${missing}`);
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new Error(
      `the folder is for x86-64 Linux and holds this machine's addon and Node; this is ${process.platform} ${process.arch}`,
    );
  }
  rmSync(out, { recursive: true, force: true });
  const files = ["native", "packages", "examples/qwen3-forward", "checkpoints"].flatMap(filesIn);
  await bundleSources(
    files.filter((file) => programs.has(file) || started.test(file)),
    out,
  );
  for (const file of [...files.filter((name) => assets.test(name)), addon]) {
    mkdirSync(dirname(join(out, file)), { recursive: true });
    copyFileSync(join(root, file), join(out, file));
  }
  spawnSync("strip", [join(out, addon)]);
  writeFileSync(join(out, "commit"), commit());
  cpSync(join(root, "native/gpu/run"), join(out, "run"));
  chmodSync(join(out, "run"), 0o755);
  if (kind === "link") symlinkSync(process.execPath, join(out, "node"));
  const node = kind === "link" ? process.execPath : packNode(out);
  const bytes = sizeOf(out);
  if (bytes > mostBytes)
    throw new Error(`the folder has ${(bytes / 1e6).toFixed(1)} MB, and may have ${mostBytes / 1e6}`);
  return { bytes, floor: systemFloor(node, join(out, addon)) };
}

async function bundleSources(entries, out) {
  await build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: out,
    outbase: root,
    outExtension: { ".js": ".mjs" },
    chunkNames: "chunks/[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20.17",
    conditions: ["@qknorm/source"],
    alias: { vitest: join(root, "native/gpu/runner/vitest.ts") },
    // Some dependency may still be CommonJS, and asks for a require.
    banner: {
      js: 'import { createRequire as qkRequire } from "node:module"; const require = qkRequire(import.meta.url);',
    },
    keepNames: true,
    sourcemap: false,
    logLevel: "warning",
    plugins: [{ name: "places", setup: keepPlaces }],
  });
}

/** import.meta.url becomes the place that the source has in the mirrored tree. */
function keepPlaces(builder) {
  // A bundle lies as many folders deep as its entry; the chunks lie one deep. Both find the top by the file `commit`.
  const top = `(globalThis.qkFolder ??= (() => {
    let at = new URL("./", import.meta.url);
    const { existsSync } = process.getBuiltinModule("node:fs");
    while (!existsSync(new URL("commit", at))) at = new URL("../", at);
    return at;
  })())`;
  builder.onLoad({ filter: /\.ts$/ }, ({ path }) => {
    const place = relative(root, path);
    const text = readFileSync(path, "utf8");
    if (place.includes("node_modules") || !text.includes("import.meta.url")) return undefined;
    const moved = text
      .replaceAll("import.meta.url", `new URL(${JSON.stringify(place)}, ${top}).href`)
      .replaceAll('.worker.ts"', '.worker.mjs"');
    return { contents: moved, loader: "ts" };
  });
}

function filesIn(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (!entry.isDirectory()) return [path];
    return ["node_modules", "build", "dist"].includes(entry.name) ? [] : filesIn(path);
  });
}

function sizeOf(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** For the results: which code made them. */
function commit() {
  const git = (...args) => spawnSync("git", args, { cwd: root, encoding: "utf8" }).stdout?.trim() ?? "";
  return `${git("rev-parse", "HEAD") || "unknown"}${git("status", "--porcelain") === "" ? "" : " with changes"}\n`;
}

if (import.meta.filename === resolve(process.argv[1] ?? "")) {
  const { values } = parseArgs({ options: { out: { type: "string", default: "build/gpu" } } });
  const out = resolve(process.env.INIT_CWD ?? ".", values.out);
  const { bytes, floor } = await bundle(out);
  process.stdout.write(
    `${out}: ${(bytes / 1e6).toFixed(1)} MB; needs ${floor}; ${join(out, "run")} says what it runs\n`,
  );
}
