// npm run pack [-- --out FOLDER]: the tarballs of all packages as they are published, in build/packed: dist/ made again, the
// addon of this platform built for older systems than this one. Prints the size of each and which system the addon needs.
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { pnpm, root, setUp } from "./setup.mjs";
import { isNewer, symbolVersions, systemFloor } from "./system-floor.mjs";

/** What is published, by the folders that have it, as pnpm's filters. */
const published = ["./packages/*", "./native", "./native/npm/*", "./codemods"];

/** What the official Node 20 for Linux finds on the oldest systems that it runs on: those of GCC 8 and glibc 2.28. */
const oldest = { GLIBC: "2.28", GLIBCXX: "3.4.25", CXXABI: "1.3.11" };

/** Writes the tarballs into `out`, which is emptied. Returns their paths by the names of their packages. */
export function pack(out) {
  const missing = setUp();
  if (missing !== null) throw new Error(`the packages hold the addon: ${missing}`);
  node([join(root, "scripts/build.mjs")]);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const staged = stageAddon(releaseAddon());
  try {
    const filters = published.flatMap((folders) => ["--filter", folders]);
    const packed = run("npx", ["-y", pnpm, "-r", ...filters, "pack", "--json", "--pack-destination", out], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
    });
    return Object.fromEntries(JSON.parse(packed).map(({ name, filename }) => [name, filename]));
  } finally {
    for (const path of staged) rmSync(path, { recursive: true });
  }
}

/** The addon as it is published. Throws where it asks for a newer system than `oldest`. */
function releaseAddon() {
  const out = join(root, ".qknorm", "release");
  const cmakeJs = join(root, "native/node_modules/cmake-js/bin/cmake-js");
  node([cmakeJs, "compile", "--silent", "--out", out, "--CDQKNORM_RELEASE=ON"], {
    cwd: join(root, "native"),
    stdio: ["ignore", "ignore", "inherit"],
  });
  const addon = join(out, "Release", "qknorm.node");
  for (const [library, version] of symbolVersions(addon)) {
    if (!isNewer(version, oldest[library])) continue;
    throw new Error(`the addon needs ${library}_${version}, later than ${oldest[library]}`);
  }
  return addon;
}

/** Puts the addon and the cubins where the package of this platform has them, for as long as it is packed. */
function stageAddon(addon) {
  const folder = join(root, "native/npm", `${process.platform}-${process.arch}-glibc`);
  if (!existsSync(folder)) throw new Error(`no package is published for ${process.platform} ${process.arch}`);
  const staged = [join(folder, "qknorm.node"), join(folder, "cubins")];
  copyFileSync(addon, staged[0]);
  cpSync(join(root, "native/cubins"), staged[1], {
    recursive: true,
    filter: (path) => !path.endsWith(".ts"),
  });
  return staged;
}

function node(args, options) {
  run(process.execPath, args, { stdio: "inherit", ...options });
}

function run(command, args, options) {
  const { status, stdout, error } = spawnSync(command, args, options);
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed with ${status}`);
  return stdout;
}

if (import.meta.filename === resolve(process.argv[1] ?? "")) {
  const { values } = parseArgs({ options: { out: { type: "string", default: "build/packed" } } });
  const out = resolve(process.env.INIT_CWD ?? ".", values.out);
  for (const [name, path] of Object.entries(pack(out))) {
    const kilobytes = (readFileSync(path).length / 1000).toFixed(0);
    process.stdout.write(`${kilobytes.padStart(6)} KB  ${name}\n`);
  }
  process.stdout.write(
    `${out}; the addon needs ${systemFloor(join(root, ".qknorm/release/Release/qknorm.node"))}\n`,
  );
}
