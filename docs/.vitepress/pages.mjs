/** The pages that lie outside of docs, and what the site calls them. */
const elsewhere = {
  "codemods/README.md": "refactoring.md",
  "native/README.md": "native.md",
  "native/gpu/NOTES.md": "notes-gpu.md",
  "native/bench/NOTES.md": "notes-cpu.md",
  "CONTRIBUTING.md": "contributing.md",
};

/** The file of the site for a file of the repository, both without a leading slash. */
export function placeOf(path) {
  return elsewhere[path] ?? path.replace(/^docs\//, "");
}

/** Whether the site has a page made of this file. */
export function isPage(path) {
  return path in elsewhere || /^docs\/[\w-]+\.md$/.test(path);
}

/** Markdown that is no page: globs below the root of the repository. */
export const excluded = [
  "{checkpoints,examples,oracle,packages,scripts}/**",
  "*/{node_modules,build}/**",
  "**/node_modules/**",
  "codemods/*/**",
  "native/{addon,build,cpu,cubins,cuda,kernels,npm,release,src,test}/**",
  "native/gpu/{bench,results,tests,tuning}/**",
  "{README,CHANGELOG,SECURITY}.md",
];

const page = (text, name) => ({ text, link: `/${name}` });

export const sidebar = [
  {
    text: "Use it",
    items: [
      page("Start", "start"),
      page("The call", "the-call"),
      page("Your own tensor library", "tensor-libraries"),
      page("A provider", "provider"),
      page("The chain", "chain"),
      page("The command", "command"),
    ],
  },
  {
    text: "Models",
    items: [
      page("Which families", "compatibility"),
      page("Their mathematics", "families"),
      page("From a copy to a module", "from-copy-to-module"),
      page("Checkpoints", "checkpoints"),
      page("Serving many texts", "serving"),
    ],
  },
  { text: "The refactoring tool", items: [page("Use and reasons", "refactoring")] },
  {
    text: "Speed and bits",
    items: [
      page("Benchmarks", "benchmarks"),
      page("The kernel", "kernel"),
      page("A token in one launch", "decoding"),
      page("Numerics", "numerics"),
      page("Endurance", "endurance"),
      page("Notes on the GPU", "notes-gpu"),
      page("Notes on the CPU", "notes-cpu"),
    ],
  },
  {
    text: "Inside",
    items: [
      page("One call, file by file", "one-call"),
      page("Native kernels and doctor", "native"),
      page("Contributing", "contributing"),
      { text: "API", link: "/api/index.html", target: "_self" },
    ],
  },
];
