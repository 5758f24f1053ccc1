import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { run, tarballsIn } from "./project.mjs";
import { installTools, linter } from "./tools.mjs";

const { npm: folder } = inject("projects");
const tarballs = Object.entries(tarballsIn(process.env.QKNORM_PACKED)).map(([name, path]) => [
  name,
  path.slice("file:".length),
]);

/** The most that core may add to a bundle for a browser: minified and compressed, all of it. */
const mostCoreBytes = 5000;

beforeAll(installTools, 600_000);

/** The names in a tar file: its headers lie at multiples of 512 bytes, each before what it names. */
function namesIn(tarball) {
  const tar = gunzipSync(readFileSync(tarball));
  const names = [];
  for (let at = 0; tar[at] !== 0 && at < tar.length; ) {
    const field = (from, length) =>
      tar.toString("latin1", at + from, at + from + length).replace(/\0.*$/s, "");
    names.push([field(345, 155), field(0, 100)].filter((part) => part !== "").join("/"));
    at += 512 + Math.ceil(Number.parseInt(field(124, 12), 8) / 512) * 512;
  }
  return names;
}

describe.each(tarballs)("%s", (name, tarball) => {
  const manifest = () => JSON.parse(readFileSync(join(folder, "node_modules", name, "package.json"), "utf8"));

  it("has a licence and a README, and no tests, results or configuration", () => {
    const names = namesIn(tarball);
    expect(names).toEqual(
      expect.arrayContaining(["package/LICENSE", "package/README.md", "package/package.json"]),
    );
    const strange = /\.test\.|\.test-d\.|\/(test|bench|golden|fixtures)\/|tsconfig|tsbuildinfo/;
    expect(names.filter((path) => strange.test(path))).toEqual([]);
  });

  it("says what people and tools ask of a package, and depends on released versions alone", () => {
    const { keywords, repository, license, engines, publishConfig, scripts = {}, ...rest } = manifest();
    expect(keywords.length).toBeGreaterThan(2);
    expect({ license, engines, publishConfig }).toEqual({
      license: "Apache-2.0",
      engines: { node: ">=20.17" },
      publishConfig: { access: "public" },
    });
    expect(repository.directory).toBeTruthy();
    expect(rest.sideEffects).toBeDefined();
    const versions = Object.values({ ...rest.dependencies, ...rest.optionalDependencies });
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    expect(Object.keys(scripts).filter((script) => /install|prepare/.test(script))).toEqual([]);
  });

  it("has for each built module its types and its source map", () => {
    const names = new Set(namesIn(tarball));
    const modules = [...names].filter((path) => /\/dist\/.*\.js$/.test(path));
    const without = modules.filter((path) => !names.has(`${path}.map`));
    expect(without).toEqual([]);
  });

  it("is clean by publint", () => {
    expect(run(linter("publint"), ["run", tarball, "--strict", "--pack", "false"], folder).stdout).toMatch(
      /All good!/,
    );
  });

  it.skipIf(name.includes("native-"))("is clean by arethetypeswrong, for who imports it", () => {
    const args = [tarball, "--profile", "esm-only", "--no-emoji", "--exclude-entrypoints", "package.json"];
    expect(() => run(linter("attw"), args, folder)).not.toThrow();
  });
});

it(`core adds less than ${mostCoreBytes} bytes to a bundle, minified and compressed`, async () => {
  const contents = 'export { applyQkNorm } from "@qknorm/core"';
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: folder },
    ...{ bundle: true, minify: true, write: false, format: "esm", platform: "browser" },
  });
  expect(gzipSync(outputFiles[0].contents, { level: 9 }).length).toBeLessThan(mostCoreBytes);
});

it("the addon comes in the package of its platform, with compiled kernels", () => {
  const [, tarball] = tarballs.find(([name]) => name.includes("native-"));
  const names = namesIn(tarball).map((path) => basename(path));
  expect(names).toEqual(expect.arrayContaining(["qknorm.node", "sm_90.pack"]));
});
