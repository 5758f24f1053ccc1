// Brings a fresh clone to the point where everything runs: dependencies, then the native addon. Does nothing twice.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildTools } from "../native/bin/build-tools.mjs";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const state = join(root, ".qknorm");
/** `pnpm@version`, for npx. */
export const pnpm = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).packageManager;
const addon = join(root, "native", "build", "Release", "qknorm.node");

/** Seconds of one core of a Xeon with AVX-512 for all files of the addon by GCC 12, and for the longest of them. */
const measured = { build: 150, longestFile: 10 };

/**
 * Installs dependencies and builds the addon where they are missing or stale.
 * Returns why there is no addon, or null when there is one. Exits the process when dependencies cannot be installed.
 */
export function setUp() {
  setUpPackages();
  return buildAddon();
}

/** Installs dependencies only, for what runs without the addon. Exits the process when they cannot be installed. */
export function setUpPackages() {
  requireNode();
  mkdirSync(state, { recursive: true });
  installDependencies();
}

function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 17)) return;
  fail(`Node 20.17 or later is needed; this is ${process.version}`);
}

function installDependencies() {
  const manifests = [
    "package.json",
    ".pnpmfile.cjs",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    ...workspaceManifests(),
  ];
  const wanted = digest(manifests);
  const stamp = join(state, "installed");
  if (existsSync(join(root, "node_modules")) && read(stamp) === wanted) return;
  say("installing dependencies (once, 340 MB on disk; 10 s to a minute, by what has to be downloaded)");
  const result = run("npx", ["-y", pnpm, "install", "--frozen-lockfile"], { cwd: root, log: "install.log" });
  if (result !== 0) fail(`installing dependencies failed; the log is ${join(".qknorm", "install.log")}`);
  writeFileSync(stamp, wanted);
}

function buildAddon() {
  const sources = [
    "native/CMakeLists.txt",
    "native/package.json",
    ...files("native/addon"),
    ...files("native/cpu"),
    ...files("native/cuda"),
  ];
  const wanted = `${process.platform} ${process.arch} ${digest(sources)}`;
  const stamp = join(state, "native");
  if (existsSync(addon) && read(stamp) === wanted) return null;
  const { versions, missing } = buildTools();
  if (missing.length > 0)
    return `no ${missing.join(" and no ")} here; install ${missing.length > 1 ? "them" : "it"} and run again for native ones`;
  // The same sources failed before with the same tools: say so again, without the minute it takes.
  const failed = join(state, "native-failed");
  const attempt = `${wanted} ${versions}`;
  if (read(failed) === attempt) return `the build failed; the log is ${join(".qknorm", "native.log")}`;

  const cores = availableParallelism();
  const seconds = Math.max(measured.longestFile, Math.ceil(measured.build / cores / 10) * 10);
  say(
    `building the native kernels (once, about ${seconds} s on ${cores} idle ${cores === 1 ? "core" : "cores"})`,
  );
  const bin = join(root, "native", "node_modules", "cmake-js", "bin", "cmake-js");
  rmSync(stamp, { force: true });
  // Ninja builds files side by side by itself, make does not.
  const result = run(process.execPath, [bin, "compile", "--out", "build", "--parallel", String(cores)], {
    cwd: join(root, "native"),
    log: "native.log",
  });
  if (result !== 0 || !existsSync(addon)) {
    writeFileSync(failed, attempt);
    return `the build failed; the log is ${join(".qknorm", "native.log")}`;
  }
  rmSync(failed, { force: true });
  writeFileSync(stamp, wanted);
  return null;
}

function run(command, args, { cwd, log }) {
  const watched = [join(root, "scripts", "watched.mjs"), join(state, log), command, ...args];
  return spawnSync(process.execPath, watched, { cwd, stdio: ["ignore", "inherit", "inherit"] }).status;
}

function workspaceManifests() {
  const folders = ["packages", "examples", "native/npm"].flatMap((group) =>
    readdirSync(join(root, group)).map((name) => `${group}/${name}`),
  );
  return [...folders, "native", "codemods"]
    .map((folder) => `${folder}/package.json`)
    .filter((path) => existsSync(join(root, path)));
}

function files(folder) {
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  return entries.flatMap((entry) =>
    entry.isDirectory() ? files(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
  );
}

function digest(paths) {
  const hash = createHash("sha256");
  for (const path of [...paths].sort()) {
    const absolute = join(root, path);
    hash.update(`${relative(root, absolute)}\0${statSync(absolute).size}\0`).update(readFileSync(absolute));
  }
  return hash.digest("hex");
}

function read(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : null;
}

function say(what) {
  process.stderr.write(`qknorm: ${what}\n`);
}

function fail(what) {
  process.stderr.write(`qknorm: ${what}\n`);
  process.exit(1);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const reason = setUp();
  say(reason === null ? "ready, with native kernels" : `ready, on plain TypeScript kernels: ${reason}`);
}
