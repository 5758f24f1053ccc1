// npm run build: dist/ of every package that is published, in the order of their imports.
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { published } from "./published.mjs";
import { root, setUp } from "./setup.mjs";

setUp();
for (const folder of published) {
  const config = join(root, folder, "tsconfig.build.json");
  rmSync(join(root, folder, "dist"), { recursive: true, force: true });
  // Written here, not kept in each package: they would all say the same. Other packages resolve to their dist.
  writeFileSync(
    config,
    JSON.stringify({
      extends: "./tsconfig.json",
      compilerOptions: {
        noEmit: false,
        outDir: "dist",
        rootDir: "src",
        customConditions: [],
        sourceMap: true,
        declarationMap: true,
      },
      include: ["src"],
      exclude: ["src/**/*.test.ts", "src/**/*.test-d.ts"],
    }),
  );
  const tsc = join(root, "node_modules/typescript-7/bin/tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", config], { stdio: "inherit" });
  rmSync(config);
  if (status !== 0) process.exit(status ?? 1);
}

// The command as few files: loading a hundred modules costs a run over a small repository a tenth of its time. What is
// loaded on demand, the parsers, stays so.
const dist = join(root, "codemods", "dist");
await build({
  // A thread is started from beside the code that starts it, which bundling moves to the top.
  entryPoints: { cli: join(dist, "cli.js"), "analysis-thread": join(dist, "run", "analysis-thread.js") },
  outdir: dist,
  allowOverwrite: true,
  bundle: true,
  splitting: true,
  chunkNames: "cli-[hash]",
  format: "esm",
  platform: "node",
  target: "node20.17",
  packages: "external",
  sourcemap: true,
  logLevel: "warning",
});
