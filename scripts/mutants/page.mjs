// What the recorded runs found, in words: README.md of the folder of results, from its reports.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const results = join(dirname(fileURLToPath(import.meta.url)), "results");
export const pagePath = join(results, "README.md");

/** The page as the reports have it. */
export function page() {
  const reports = readdirSync(results)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => [name.slice(0, -".json".length), JSON.parse(readFileSync(join(results, name), "utf8"))]);
  const rows = reports.map(([name, { seed, mutants }]) => {
    const at = (end, first) => mutants.filter((one) => one.end === end && one.first === first).length;
    const cells = [name, seed, mutants.length, at("killed"), at("killed", "survived"), at("gone")];
    return `| ${[...cells, at("survived") + at("survived", "survived")].join(" | ")} |`;
  });
  const left = reports.flatMap(([, { mutants }]) => mutants.filter(({ end }) => end !== "killed").map(line));
  return `# Faults that were planted

\`npm run mutants -- --part NAME --count 50 --seed 14\` drew these and judged them; \`-- --again scripts/mutants/results/NAME.json\` judges
those again that are left, and \`-- --page\` writes this page. A run may be ended before its count. \`native\` has the 50 of the command
and ten of an earlier run that was ended: compiled code came first there, judged by tests that were chosen by their names. Two of the 50
are seen by \`doctor.test.ts\` in processes of its own, which the choice of tests passes over, and were judged by it alone.
What survived in \`tensor\` and \`models\` was judged once more, by the tests nearest to it.
\`codemods\` was ended before its count, too, and judged by the tests of \`codemods/src\`, its survivors in rooms of their own by some of \`codemods/test\`.
\`named\` are faults that somebody chose.

| part | seed | planted | seen at once | seen by a test written since | code taken out since | left |
|---|---|---|---|---|---|---|
${rows.join("\n")}

## Left, or taken out

${left.join("\n")}
`;
}

function line({ file, line, kind, code, end, why = "no test yet" }) {
  const [first] = code.trim().split("\n");
  const what = end === "gone" ? "taken out" : "left";
  return `- \`${file}\` ${line}, ${kind}, ${what}: ${why}.\n\n      ${first}\n`;
}
