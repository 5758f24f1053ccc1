// The scripts, and the tests and benchmarks that stand outside of packages, import packages of the workspace. The root says so
// here and not in its package.json, which npm could not read then: `npm install` in a fresh clone is to end without an error.
module.exports = {
  hooks: {
    readPackage(manifest) {
      if (manifest.name !== "qknorm-workspace") return manifest;
      const names = ["core", "models", "tensor"].map((name) => `@qknorm/${name}`);
      const own = Object.fromEntries(names.map((name) => [name, "workspace:*"]));
      return { ...manifest, devDependencies: { ...manifest.devDependencies, ...own } };
    },
  },
};
