// Builds the driver of cuda-fake.c and the NVRTC of cuda-fake-nvrtc.c, and scripts them. Nothing here needs a device.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadBinding } from "../src/index.ts";

export const folder = mkdtempSync(join(tmpdir(), "qknorm-cuda-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const here = fileURLToPath(new URL(".", import.meta.url));
const sources = ["cuda-fake.c", "cuda-fake-nvrtc.c", "cuda-fake-cublaslt.c"].map((name) => join(here, name));
const emulator = join(here, "emulator");
/** Milliseconds until what nothing was added to is taken for that of an older text. */
const keptFor = 3 * 24 * 3600 * 1000;
const script = join(folder, "script");

/** A library with both sets of functions, under any name. */
export const fakeLibrary = join(folder, "libfake.so");

/** Why these tests cannot run, for `describe.skipIf`; empty when they can. */
export const missing = prepare();

export function build(output: string, ...flags: string[]): string | null {
  // What scripts/sanitize.mjs asks for.
  const sanitizers = process.env.QKNORM_FAKE_FLAGS?.split(" ") ?? [];
  const fixed = ["-shared", "-fPIC", "-O1", `-DEMULATOR="${emulator}"`, ...sanitizers];
  const { status, error, stderr } = spawnSync(
    "cc",
    [...fixed, ...flags, ...sources, "-lm", "-ldl", "-lpthread", "-o", output],
    { encoding: "utf8" },
  );
  return status === 0 ? null : (error?.message ?? stderr);
}

/** A copy of the library, for where one is looked for by name. */
export function placeLibrary(path: string): void {
  copyFileSync(fakeLibrary, path);
}

/** From here on the named functions fail with these numbers, and other settings hold. */
export function scripted(settings: Record<string, number> = {}): void {
  writeFileSync(
    script,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(""),
  );
}

/** What the fake has noted since the last call. */
export function notes(): string[] {
  const path = `${script}.log`;
  if (!existsSync(path)) return [];
  const text = readFileSync(path, "utf8");
  truncateSync(path);
  return text.split("\n").filter((line) => line !== "");
}

/** The error that `run` throws. */
export function failureOf(run: () => unknown): { code?: string; message: string; [name: string]: unknown } {
  try {
    run();
  } catch (error) {
    return error as { message: string };
  }
  throw new Error("it did not throw");
}

const entry = new URL("../src/index.ts", import.meta.url).href;

/** What `body(native, attempt)` gives in a process of its own: libraries are looked for once. */
export function inProcess(env: Record<string, string>, body: string): unknown {
  const attempt = `(run) => { try { return run(); } catch ({ code, message, tried }) { return { code, message, tried }; } }`;
  const program = `import(${JSON.stringify(entry)}).then(async (native) =>
    process.stdout.write(JSON.stringify(await (${body})(native, ${attempt}))));`;
  const args = ["--conditions=@qknorm/source", "--import", "tsx", "--input-type=module", "-e", program];
  const others = Object.entries(process.env).filter(
    ([name]) => !/^(QKNORM_(?!NATIVE_PATH)|CUDA_|CONDA_|VIRTUAL_ENV)/.test(name),
  );
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    env: { ...Object.fromEntries(others), QKNORM_FAKE: script, ...env },
    encoding: "utf8",
  });
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout);
}

function prepare(): string {
  const loaded = loadBinding();
  if (loaded.binding === null) return ` (skipped: ${loaded.reason})`;
  if (process.platform !== "linux") return " (skipped: CUDA runs on Linux only)";
  const { error } = spawnSync("c++", ["--version"]);
  if (error !== undefined) return ` (skipped: no C++ compiler for the stand-in's kernels: ${error.message})`;
  const kept = keptFolder();
  const failure = makeFake(join(kept, "libfake.so"));
  if (failure !== null) return ` (skipped: no C compiler for the stand-in driver: ${failure})`;
  process.env.QKNORM_FAKE_KERNELS = kept;
  process.env.QKNORM_FAKE = script;
  process.env.QKNORM_LIBCUDA = fakeLibrary;
  process.env.QKNORM_LIBNVRTC = fakeLibrary;
  process.env.QKNORM_LIBCUBLASLT = fakeLibrary;
  scripted();
  return "";
}

/** Where what was compiled is kept from run to run, by the text of all that it depends on but the kernels' own. */
function keptFolder(): string {
  const headers = readdirSync(emulator).map((name) => join(emulator, name));
  const own = readdirSync(here).filter((name) => /^cuda-fake.*\.[ch]$/.test(name));
  const hash = createHash("sha256").update(`${here} ${process.env.QKNORM_FAKE_FLAGS ?? ""}`);
  for (const path of [...headers, ...own.map((name) => join(here, name))].sort())
    hash.update(readFileSync(path));
  const root = fileURLToPath(new URL("../../node_modules/.cache/qknorm-emulator", import.meta.url));
  const kept = join(root, hash.digest("hex").slice(0, 16));
  try {
    mkdirSync(kept, { recursive: true });
    for (const other of readdirSync(root).map((name) => join(root, name))) {
      if (Date.now() - statSync(other).mtimeMs > keptFor) rmSync(other, { recursive: true, force: true });
    }
    return kept;
  } catch {
    return folder;
  }
}

/** The library, from another test or made now; under one name at once, whole. */
function makeFake(kept: string): string | null {
  if (!existsSync(kept)) {
    const made = join(kept.replace(/\.so$/, `-${process.pid}.so`));
    const failure = build(made);
    if (failure !== null) return failure;
    renameSync(made, kept);
  }
  copyFileSync(kept, fakeLibrary);
  return null;
}
