import { describe, expect, it } from "vitest";
import { Random } from "../../bench/random.ts";
import { attention, planScript } from "../../test/script-cases.ts";

/** How many cases of each kind; `FUZZ_CASES=10000` for a long run. */
const cases = Number(process.env.FUZZ_CASES ?? 200);

interface SideNames {
  readonly tensor: string;
  readonly norm: string;
  readonly temporary: string;
}

/** The statements of one side, in one of the ways people write them. */
function sideLines(
  random: Random,
  { tensor, norm, temporary }: SideNames,
  dim = "this.headDim",
): readonly string[] {
  const rows = random.pick([
    `${tensor}.reshape([-1, ${dim}])`,
    `${tensor}.view(-1, ${dim})`,
    `${tensor}.contiguous().view(-1, ${dim})`,
    `ops.reshape(${tensor}, [-1, ${dim}])`,
  ]);
  const apply = (x: string) =>
    random.pick([`this.${norm}.forward(${x})`, `this.${norm}!.forward(${x})`, `this.${norm}(${x})`]);
  const back = (x: string) =>
    random.pick([
      `${x}.reshape(${tensor}.shape)`,
      `${x}.view_as(${tensor})`,
      `(${x}.view(${tensor}.shape)) as Tensor`,
    ]);
  switch (Math.floor(random.next() * 4)) {
    case 0:
      return [`${tensor} = ${back(apply(rows))};`];
    case 1:
      return [`const ${temporary} = ${rows};`, `${tensor} = ${back(apply(temporary))};`];
    case 2:
      return [`const ${temporary} = ${apply(rows)};`, `${tensor} = ${back(temporary)};`];
    default:
      return [
        `const ${temporary}Shape = ${tensor}.shape;`,
        `const ${temporary}Rows = ${rows};`,
        `const ${temporary} = ${apply(`${temporary}Rows`)};`,
        `${tensor} = ${temporary}.reshape(${temporary}Shape);`,
      ];
  }
}

/** Two lists merged in random order, each keeping its own. */
function interleave(random: Random, a: readonly string[], b: readonly string[]): readonly string[] {
  if (a.length === 0 || b.length === 0) return [...a, ...b];
  return random.next() < 0.5
    ? [a[0]!, ...interleave(random, a.slice(1), b)]
    : [b[0]!, ...interleave(random, a, b.slice(1))];
}

function names(random: Random): { q: SideNames; k: SideNames } {
  const [a, b] = random.pick([
    ["a", "b"],
    ["qRows", "kRows"],
    ["first", "second"],
  ] as const);
  return { q: { tensor: "q", norm: "qNorm", temporary: a }, k: { tensor: "k", norm: "kNorm", temporary: b } };
}

function spelled(random: Random, lines: readonly string[]): string {
  const unrelated = random.pick(["", "    const width = v.shape.at(-1);\n", "    this.log(v.shape);\n"]);
  const text = indented(lines);
  return unrelated + random.pick([text, text, guarded(lines), `    {\n      const scale = 1;\n${text}    }`]);
}

function guarded(lines: readonly string[]): string {
  return `    if (this.useQkNorm) {\n${indented(lines)}    }\n`;
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}\n`).join("");
}

/** The step in one of the places that people put it: the body of `forward`, and further members. */
function placed(
  random: Random,
  q: readonly string[],
  k: readonly string[],
): { readonly forward: string; readonly members?: string } {
  const both = interleave(random, q, k);
  return random.pick<() => { readonly forward: string; readonly members?: string }>([
    () => ({ forward: spelled(random, both) }),
    () => ({ forward: spelled(random, both) }),
    () => ({ forward: guarded(q) + guarded(k) }),
    () => ({ forward: guarded(k) + guarded(q) }),
    () => ({
      forward: "    [q, k] = this.normalize(q, k);",
      members: `  private normalize(q: Tensor, k: Tensor): [Tensor, Tensor] {\n${indented(both)}    return [q, k];\n  }\n`,
    }),
  ])();
}

const seeds = Array.from({ length: cases }, (_, seed) => seed);

describe("in random spellings", () => {
  it("the step is found and replaced, once, and then no more", () => {
    const wrong = seeds.filter((seed) => {
      const random = new Random(seed);
      const { q, k } = names(random);
      const code = attention(placed(random, sideLines(random, q), sideLines(random, k)));
      const { after, findings } = planScript(code);
      const isOnce = findings.length === 1 && findings[0]?.kind === "replaced";
      const isCall = /\[q, k\] = applyQkNorm\(q, k, this\.qNorm!?, this\.kNorm!?, this\.headDim\);/.test(
        after ?? "",
      );
      return !isOnce || !isCall || planScript(after!).after !== undefined;
    });
    expect(wrong).toEqual([]);
  });

  it("a near miss of the step is never replaced", () => {
    const wrong = seeds.filter((seed) => {
      const random = new Random(seed);
      const { q, k } = names(random);
      const [qLines, kLines] = [sideLines(random, q), sideLines(random, k)];
      const lines = interleave(random, qLines, kLines);
      const miss = random.pick<() => readonly string[]>([
        () =>
          interleave(
            random,
            sideLines(random, { ...q, norm: "kNorm" }),
            sideLines(random, { ...k, norm: "qNorm" }),
          ),
        () => ["const raw = q;", ...lines, "this.gate(raw);"],
        () => ["this.last = k;", ...lines],
        () => interleave(random, qLines, sideLines(random, k, "this.heads")),
        () => interleave(random, sideLines(random, q, "this.hidden"), sideLines(random, k, "this.hidden")),
        () => [...qLines, ...sideLines(random, { ...k, tensor: "other" }), "k = other;"],
        () => [
          ...qLines,
          "const kGiven = q;",
          ...sideLines(random, { ...k, tensor: "kGiven" }),
          "k = kGiven;",
        ],
        () => qLines,
        () => ["const raw = k;", ...lines, "const w = this.vNorm.forward(raw);"],
        () => [...qLines, "if (this.ownK) {", ...kLines, "}"],
        () => [...qLines, ...qLines, ...kLines],
        () => [...qLines, ...sideLines(random, { ...k, norm: "qNorm" })],
        () => [
          "const kNorm = this.qNorm;",
          ...qLines,
          ...kLines.map((line) => line.replace(/this\.kNorm!?/, "kNorm")),
        ],
        () => [...qLines, "k.add_(q);", ...kLines],
        () => [...qLines, "k = this.mix(k, q);", ...kLines, "q = this.mix(q, k);"],
        () => [...qLines, "this.kNorm = this.other;", ...kLines],
        () => ["this.kNorm.forward = other;", ...lines],
        () => [...qLines, "this.kNorm.weight = w;", ...kLines],
        () => ["for (let i = 0; i < 2; i++) {", ...lines, "}"],
        () => ["{", "let q = this.qOther(x);", ...qLines, "this.use(q);", "}", ...kLines],
        () => ["if (this.a) {", ...qLines, "}", "this.a = this.next();", "if (this.a) {", ...kLines, "}"],
        () => ["if (this.a) {", ...qLines, "}", "if (this.b) {", ...kLines, "}"],
        () => ["if (this.a) {", ...qLines, "this.count(q);", "}", "if (this.a) {", ...kLines, "}"],
        () => ["[q, k] = [k, q];", ...lines],
        () => ["try {", ...qLines, "} catch {", "this.log();", "}", ...kLines],
        () => ["const raw = () => q;", "this.later(raw);", "this.held = q;", ...lines],
      ]);
      return planScript(attention({ forward: spelled(random, miss()) })).after !== undefined;
    });
    expect(wrong).toEqual([]);
  });

  it("a norm of another kind, or with another eps on one side, is never replaced", () => {
    const wrong = seeds.slice(0, Math.ceil(cases / 4)).filter((seed) => {
      const random = new Random(seed);
      const { q, k } = names(random);
      const forward = spelled(random, interleave(random, sideLines(random, q), sideLines(random, k)));
      const kNorm = random.pick(["OffsetNorm", "CenteredNorm", "SlowNorm", "RmsNorm"]);
      const code = attention({ forward, norm: "RmsNorm", kNorm });
      const other = (text: string) =>
        text
          .replace(
            "this.qNorm = new RmsNorm(ones(config.headDim), config.eps)",
            "this.qNorm = new RmsNorm(ones(config.headDim), 1e-6)",
          )
          .replace(
            "this.kNorm = new RmsNorm(ones(config.headDim), config.eps)",
            "this.kNorm = new RmsNorm(ones(config.headDim), 1e-5)",
          );
      return planScript(kNorm === "RmsNorm" ? other(code) : code).after !== undefined;
    });
    expect(wrong).toEqual([]);
  });
});
