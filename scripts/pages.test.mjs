import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { parseOptions as parseCodemodOptions } from "../codemods/src/command/options.ts";
import { isPage } from "../docs/.vitepress/pages.mjs";
import { run as doctor } from "../native/src/doctor/cli.ts";
import { parseOptions as parseRunOptions } from "../packages/run/src/options.ts";
import { root } from "./setup.mjs";

/** Pages whose code has a test of its own: real tensor libraries, a stand-in for a GPU. */
const elsewhere = ["docs/tensor-libraries.md", "native/README.md"];

const pages = ["docs", "codemods", "native", "native/gpu", "native/bench", "."].flatMap((folder) =>
  readdirSync(join(root, folder))
    .map((file) => posix.join(folder, file))
    .filter(isPage),
);
const textOf = (page) => readFileSync(join(root, page), "utf8");
const blocksOf = (page, language) =>
  [...textOf(page).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"))].map(
    ([, code]) => code,
  );

// Below scripts, from where every package of the workspace is found.
const folder = mkdtempSync(join(root, "scripts", ".pages-"));
afterAll(() => rmSync(folder, { recursive: true }));

const withCode = pages.filter((page) => !elsewhere.includes(page) && blocksOf(page, "(?:ts|js)").length > 0);

describe("the code of the pages", () => {
  it.each(withCode)("%s runs from top to bottom and prints what its comments say", async (page) => {
    const code = blocksOf(page, "(?:ts|js)").join("\n");
    const file = join(folder, `${page.replace(/\W/g, "-")}.ts`);
    writeFileSync(file, code);
    const printed = [];
    // biome-ignore lint/suspicious/noConsole: what the pages print is what is tested
    const log = vi.mocked(console.log);
    log.mockImplementation((...values) => printed.push(inWords(values)));
    await import(file);
    log.mockClear();
    const wanted = promised(code);
    expect(
      printed.filter((line) => wanted.includes(line)),
      printed.join("\n"),
    ).toEqual(wanted);
  });

  it("is in no page that no test runs", () => {
    const untested = pages.filter((page) => /^```(jsx?|tsx?|javascript|typescript)\b/m.test(textOf(page)));
    expect(untested.filter((page) => !withCode.includes(page) && !elsewhere.includes(page))).toEqual([]);
  });
});

describe("the commands of the pages", () => {
  const { scripts } = JSON.parse(textOf("package.json"));
  const commands = pages.flatMap((page) =>
    blocksOf(page, "sh").flatMap((code) => code.split("\n").map((line) => [page, withoutShell(line)])),
  );

  it.each(commands.filter(([, words]) => words.length > 0))("%s: %j is understood", (_page, words) => {
    const [program, ...args] = words;
    if (program === "npm") expectScript(args, scripts);
    else if (program === "npx") expectBin(args);
    else expect(["node", "python", "git", "build/gpu/run"]).toContain(program);
  });
});

function expectScript([verb, ...rest], scripts) {
  if (verb === "install") return;
  const words = rest.filter((word) => !["--silent", "-s"].includes(word));
  const name = verb === "run" ? words.shift() : verb;
  expect(Object.keys(scripts)).toContain(name);
  const given = words[0] === "--" ? words.slice(1) : words;
  if (name === "start")
    parseRunOptions(given, { name: "start", fallback: { model: ".", shownAs: ".", prompts: [] } });
  if (name === "codemod") parseCodemodOptions(given);
  if (name === "doctor" && given.length > 0) expectBin(["qknorm", "doctor", ...given]);
}

function expectBin([bin, ...args]) {
  if (bin === "qknorm") expect(doctor([...args, "--help"]).status).toBe(0);
  else if (bin === "qknorm-codemod") parseCodemodOptions(args);
  else expect(["vitest", "tsx", "pnpm"]).toContain(bin);
}

/** The words of a command, as sh parts them; without comments, redirections and what surrounds `$(...)`. */
function withoutShell(line) {
  const inner = line.match(/^\w+=\$\((.*?)\)/)?.[1] ?? line;
  const words = [...inner.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([word, a, b]) => a ?? b ?? word);
  const end = words.findIndex((word) => /^[#<>|]/.test(word));
  return end === -1 ? words : words.slice(0, end);
}

/** What comments behind a console.log promise. */
function promised(code) {
  return [...code.matchAll(/^\s*console\.log\(.*\n\s*\/\/ (.*)$/gm)].map(([, text]) => text);
}

/** As console.log prints it; where kernels are TypeScript, as if they were native. */
function inWords(values) {
  const text = values.map((value) => (typeof value === "string" ? value : inspected(value))).join(" ");
  return text.replace("cpu-typescript", "cpu-native").replace(/\n\s*plain TypeScript kernels.*/s, "");
}

function inspected(value) {
  return Array.isArray(value) ? `[ ${value.map((item) => `'${item}'`).join(", ")} ]` : String(value);
}
