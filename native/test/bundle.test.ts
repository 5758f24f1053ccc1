import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, describe, expect, it } from "vitest";
import type { LoadedBinding } from "../src/index.ts";
import { missing } from "./qk-norm-case.ts";

const folder = fileURLToPath(new URL("..", import.meta.url));
// From the workspace the package is found, as it is where it was installed; from elsewhere nothing is.
const inside = mkdtempSync(join(folder, "../packages/tensor/.bundle-"));
const elsewhere = mkdtempSync(join(tmpdir(), "qknorm-bundle-"));

afterAll(() => {
  for (const place of [inside, elsewhere]) rmSync(place, { recursive: true });
});

/** Bundles the package into one file for Node, runs it there, and tells what it loaded and whether its kernels are found. */
async function inBundle(place: string, format: "esm" | "cjs", env: Record<string, string> = {}) {
  const outfile = join(place, format === "esm" ? "app.mjs" : "app.cjs");
  await build({
    stdin: {
      contents: `
        import { loadBinding } from "./src/index.ts";
        import { kernelSource } from "./src/cuda/kernel-request.ts";
        const { binding, ...found } = loadBinding();
        let kernels;
        try { kernels = kernelSource("qk_norm").length } catch (error) { kernels = error.message }
        process.stdout.write(JSON.stringify({ ...found, isa: binding?.cpuIsa(), kernels }));`,
      resolveDir: folder,
      loader: "ts",
    },
    outfile,
    format,
    bundle: true,
    platform: "node",
    conditions: ["@qknorm/source"],
    logLevel: "error",
  });
  // NODE_PATH, which pnpm sets for what it starts, would find the package from anywhere.
  const clean = Object.entries(process.env).filter(([name]) => !/^(QKNORM_|NODE_PATH$)/.test(name));
  const out = execFileSync(process.execPath, [outfile], {
    cwd: "/",
    env: { ...Object.fromEntries(clean), ...env },
    encoding: "utf8",
  });
  return JSON.parse(out) as Partial<
    LoadedBinding & { isa: string; kernels: number | string; remedy: string }
  >;
}

describe.each(["esm", "cjs"] as const)("a bundle in %s", (format) => {
  it.skipIf(missing)(`finds addon and kernels from where they can be resolved${missing}`, async () => {
    const found = await inBundle(inside, format);
    expect(found).toMatchObject({
      path: join(folder, "build/Release/qknorm.node"),
      isa: expect.any(String),
      kernels: expect.any(Number),
    });
  });

  it("says from elsewhere that it finds none, and what to install", async () => {
    const { reason, remedy, kernels } = (await inBundle(elsewhere, format)) as Record<string, string>;
    expect(reason).toBe(
      `the bundle ${join(elsewhere, `app.${format === "esm" ? "mjs" : "cjs"}`)} finds no @qknorm/native from where it lies`,
    );
    expect(remedy).toBe("`npm install @qknorm/native` where the bundle runs");
    expect(kernels).toMatch(
      /^kernels\/ptx\.cuh of @qknorm\/native is not found from the bundle .*: install the package/,
    );
  });

  it.skipIf(missing)(`takes from elsewhere the addon that QKNORM_NATIVE_PATH names${missing}`, async () => {
    const path = join(folder, "build/Release/qknorm.node");
    expect(await inBundle(elsewhere, format, { QKNORM_NATIVE_PATH: path })).toMatchObject({ path });
  });
});
