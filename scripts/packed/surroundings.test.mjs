// The packed packages where nobody meant them to be: strange folders, bundles, threads, an addon that is damaged.
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { describe, expect, inject, it } from "vitest";
import { run } from "./project.mjs";
import { executables } from "./runtimes.mjs";

const projects = inject("projects");
const folder = (name) => join(projects.place, name);
const addonIn = (project) => join(project, "node_modules/@qknorm/native-linux-x64-glibc/qknorm.node");
const fused = "fused by cpu-native, in place: 3 tokens, 4 query heads and 2 KV heads of 64";

/** What call.mjs prints in a folder, by the oldest Node. */
function call(place, { env = {}, program = "call.mjs", flags = [] } = {}) {
  return JSON.parse(run(executables.node20, [...flags, program], place, env).stdout);
}

/** A copy of the project that npm made. */
function copied(name) {
  const place = folder(name);
  cpSync(projects.npm, place, { recursive: true });
  return place;
}

describe("a fused native call runs", () => {
  it("below a path with spaces and letters of other languages", () => {
    expect(call(copied("ein größerer ☃ Ordner"))).toMatchObject({ explained: fused, reason: null });
  });

  it.each([[[]], [["--preserve-symlinks"]]])(
    "through a node_modules that is a link, with flags %j",
    (flags) => {
      const place = folder(`linked${flags.length}`);
      mkdirSync(place);
      symlinkSync(join(projects.npm, "node_modules"), join(place, "node_modules"));
      cpSync(join(projects.npm, "call.mjs"), join(place, "call.mjs"));
      expect(call(place, { flags })).toMatchObject({ explained: fused, reason: null });
    },
  );

  it("without a home folder", () => {
    expect(call(projects.npm, { env: { HOME: "/nowhere", XDG_CACHE_HOME: "" } })).toMatchObject({
      explained: fused,
    });
  });

  it("in worker threads", () => {
    const program = "in-workers.mjs";
    writeFileSync(
      join(projects.npm, program),
      `import { Worker } from "node:worker_threads";
      const workers = [1, 2, 3].map(() => new Worker(new URL("./call.mjs", import.meta.url)));
      await Promise.all(workers.map((worker) => new Promise((done) => worker.on("exit", done))));`,
    );
    const lines = run(executables.node20, [program], projects.npm).stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).explained)).toEqual([fused, fused, fused]);
  });

  it.each(["esm", "cjs"])("from a bundle in %s of what is installed", async (format) => {
    const outfile = join(projects.npm, `bundle.${format === "esm" ? "mjs" : "cjs"}`);
    await build({
      entryPoints: [join(projects.npm, "call.mjs")],
      ...{ outfile, format, bundle: true, platform: "node", logLevel: "error" },
    });
    expect(call(projects.npm, { program: outfile })).toMatchObject({ explained: fused, reason: null });
  });
});

it.each([["--no-addons"], ["--experimental-permission", "--allow-fs-read=*"]])(
  "Node with %s goes without the addon, and says what lets it load one",
  (...flags) => {
    const { reason, remedy, running } = call(projects.npm, { flags });
    expect(running).toBe("TypeScript kernels");
    expect(reason).toMatch(/ cannot be opened: .*loading addons is disabled/);
    expect(remedy).toBe(
      "let Node load addons: without --no-addons, and with --allow-addons beside --permission",
    );
  },
);

describe("an installed addon that is damaged", () => {
  const spoil = {
    "is missing": { damage: (path) => rmSync(path), says: / is not there$/ },
    "is a text": {
      damage: (path) => writeFileSync(path, "not a library"),
      says: /cannot be opened: .*too short/,
    },
    "is cut off": {
      damage: (path) => truncateSync(path, 200_000),
      says: / is cut off: 200000 of at least \d+ bytes$/,
    },
    "is another library": {
      damage: (path) => {
        const bytes = readFileSync(path);
        bytes.fill(0xff, 5_000, 8_000);
        writeFileSync(path, bytes);
      },
      says: / cannot be opened: /,
    },
  };

  it.each(Object.entries(spoil))(
    "that %s leaves TypeScript kernels, and a command that mends it",
    (name, { damage, says }) => {
      const place = copied(name.replaceAll(" ", "-"));
      damage(addonIn(place));
      const { error, reason, remedy, running } = call(place);
      expect({ running, close: error < 1e-6 }).toEqual({ running: "TypeScript kernels", close: true });
      expect(reason).toMatch(says);
      expect(reason).not.toContain("\n");
      expect(remedy).toMatch(
        /^`rm -r \S+native-linux-x64-glibc && npm install @qknorm\/native-linux-x64-glibc@\d+\.\d+\.\d+` installs it again$/,
      );
    },
  );
});
