/** Folders of the packages that are published, in the order of their imports. */
export const published = [
  "packages/core",
  "native",
  "packages/tensor",
  "packages/models",
  "packages/run",
  "codemods",
];
