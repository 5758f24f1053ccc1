import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { run } from "./project.mjs";
import { installTools, tsc, typescripts } from "./tools.mjs";

const { npm: folder } = inject("projects");

const resolutions = {
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
};

beforeAll(installTools, 600_000);

describe.each(typescripts)("TypeScript %s, strict and with every declaration checked", (version) => {
  it.each(Object.keys(resolutions))("reads the types of all packages by %s", (resolution) => {
    const config = join(folder, `tsconfig.${version}.${resolution}.json`);
    const compilerOptions = {
      ...resolutions[resolution],
      ...{ target: "es2022", lib: ["es2022"], types: ["node"] },
      ...{ strict: true, skipLibCheck: false, noEmit: true },
    };
    writeFileSync(config, JSON.stringify({ compilerOptions, files: ["types.ts"] }));
    expect(() => run(process.execPath, [tsc(version), "-p", config], folder)).not.toThrow();
  });
});
