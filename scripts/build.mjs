// npm run build: dist/ of every package that is published, in the order of their imports.
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, setUp } from "./setup.mjs";

const packages = ["packages/core", "native", "packages/tensor", "packages/models", "codemods"];

setUp();
for (const folder of packages) {
  const config = join(root, folder, "tsconfig.build.json");
  rmSync(join(root, folder, "dist"), { recursive: true, force: true });
  // Written here, not kept in each package: they would all say the same. Other packages resolve to their dist.
  writeFileSync(
    config,
    JSON.stringify({
      extends: "./tsconfig.json",
      compilerOptions: { noEmit: false, outDir: "dist", rootDir: "src", customConditions: [] },
      include: ["src"],
      exclude: ["src/**/*.test.ts", "src/**/*.test-d.ts"],
    }),
  );
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", config], { stdio: "inherit" });
  rmSync(config);
  if (status !== 0) process.exit(status ?? 1);
}
