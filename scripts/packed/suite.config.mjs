// The test suite, on the packages as they were installed: every module of a package's sources that a test asks for is the one
// that was built from it, below the `node_modules` of the folder that QKNORM_INSTALLED names.
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { defineConfig } from "vitest/config";
import { root } from "../setup.mjs";

const installed = join(process.env.QKNORM_INSTALLED, "node_modules");
const folders = {
  "packages/core": "@qknorm/core",
  "packages/tensor": "@qknorm/tensor",
  "packages/models": "@qknorm/models",
  native: "@qknorm/native",
  codemods: "@qknorm/codemods",
};

/** The installed module of a source, or of what was built of it here; `null` for tests and all else. */
function installedModule(path) {
  const place = relative(root, path);
  const [, folder, module] = /^(.*?)\/(?:src|dist)\/(.*)\.[tj]s$/.exec(place) ?? [];
  if (folders[folder] === undefined || /\.test(-d)?$/.test(module)) return null;
  const built = join(installed, folders[folder], "dist", `${module}.js`);
  if (!existsSync(built)) throw new Error(`${place} is not in the package: no ${built}`);
  return built;
}

const installedModules = {
  name: "installed-modules",
  enforce: "pre",
  async resolveId(source, importer, options) {
    const found = await this.resolve(source, importer, { ...options, skipSelf: true });
    return (found === null ? null : installedModule(found.id)) ?? found;
  },
};

/** What starts processes of its own on the sources, reads them, or shares the state of a dependency with them. */
const aboutSources = [
  "codemods/src/languages/python/syntax-tree.test.ts",
  "packages/core/src/package.test.ts",
  "packages/tensor/src/call-cost.test.ts",
  "packages/tensor/test/browser-bundle.test.ts",
];

export default defineConfig({
  root,
  plugins: [installedModules],
  test: {
    setupFiles: [join(root, "vitest.setup.ts")],
    testTimeout: 60_000,
    // Loaded by vitest, as the sources are, so that tests can load a module twice.
    server: { deps: { inline: [/@qknorm/] } },
    maxWorkers: "100%",
    // Of native nothing: its tests call the binding beneath the package's entries, and build stand-ins from its sources.
    include: ["packages/{core,tensor,models}/{src,test}/**/*.test.ts", "codemods/{src,test}/**/*.test.ts"],
    exclude: ["**/node_modules/**", ...aboutSources],
  },
});
