import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { runCommand } from "../src/command/command.ts";
import {
  attention,
  CheckedProject,
  type Model,
  made,
  norms,
  replaced,
  Together,
  unknown,
} from "./checked-types-project.ts";

const project = new CheckedProject();

describe("--types finds the class of norms that names and annotations do not tell", () => {
  const cases: readonly [string, Model][] = [
    ["out of a factory without annotations", made("makeScaled")],
    [
      "in private fields",
      {
        imports: "makeScaled",
        members: "  readonly #qNorm = makeScaled(64, 1e-6);\n  readonly #kNorm = makeScaled(64, 1e-6);",
        norms: ["this.#qNorm", "this.#kNorm"],
      },
    ],
    [
      "under a type alias",
      { imports: "type HeadNorm", members: "  declare qNorm: HeadNorm;\n  declare kNorm: HeadNorm;" },
    ],
    [
      "under a type parameter",
      {
        imports: "type Scaled",
        before: "interface Pair<N> { readonly qNorm: N; readonly kNorm: N }",
        members: "  declare pair: Pair<Scaled>;",
        norms: ["this.pair.qNorm", "this.pair.kNorm"],
      },
    ],
    [
      "in a property of what a function gives back",
      {
        imports: "makeParts",
        members: "  readonly parts = makeParts(64);",
        norms: ["this.parts.qNorm", "this.parts.kNorm"],
      },
    ],
    [
      "out of a map",
      {
        imports: "makeAll",
        members:
          '  readonly all = makeAll(64);\n  readonly qNorm = this.all.get("q")!;\n  readonly kNorm = this.all.get("k")!;',
      },
    ],
    [
      "in constants of the module",
      {
        imports: "makeScaled",
        before: "const qNorm = makeScaled(64, 1e-6);\nconst kNorm = makeScaled(64, 1e-6);",
        norms: ["qNorm", "kNorm"],
      },
    ],
    [
      "asked for by a key",
      {
        imports: "makeParts",
        members: "  readonly parts = makeParts(64);",
        norms: ['this.parts["qNorm"]', 'this.parts["kNorm"]'],
      },
    ],
    [
      "beside each other in an item of a list",
      {
        imports: "makeParts",
        members: "  readonly layers = [makeParts(64)];",
        norms: ["this.layers[0]!.qNorm", "this.layers[0]!.kNorm"],
      },
    ],
    [
      "beside each other in an item of a tuple",
      {
        imports: "makeCentered, makeParts",
        before: "const layers = [makeCentered(64, 1e-6), makeParts(64)] as const;",
        norms: ["layers[1].qNorm", "layers[1].kNorm"],
      },
    ],
    [
      "by names that no type spells",
      {
        imports: "type Scaled",
        members: "  declare all: Record<string, ReturnType<() => Scaled>>;",
        norms: ["this.all.qNorm!", "this.all.kNorm!"],
      },
    ],
    [
      "in what a method gives back",
      {
        imports: "makeParts",
        members: "  parts() { return makeParts(64); }",
        norms: ["this.parts().qNorm", "this.parts().kNorm"],
      },
    ],
    [
      "in what is awaited",
      {
        imports: "makeParts",
        members: "  readonly parts = Promise.resolve(makeParts(64));",
        forward: "async forward(x: Tensor): Promise<Tensor>",
        norms: ["(await this.parts).qNorm", "(await this.parts).kNorm"],
      },
    ],
    [
      "in arguments",
      {
        imports: "makeScaled",
        forward: "forward(x: Tensor, parts: { qNorm: Scales; kNorm: Scales })",
        before: "type Scales = ReturnType<typeof makeScaled>;",
        norms: ["parts.qNorm", "parts.kNorm"],
      },
    ],
  ];
  const together = new Together(
    project,
    cases.map(([, model]) => model),
  );
  it.each(cases)("%s", async (_, model) => {
    expect(await together.findings(model, "plain")).toMatchObject(unknown);
    expect(await together.findings(model, "typed")).toMatchObject(replaced);
  });

  it.each<[string, Model | string, Record<string, string>]>([
    [
      "set in a constructor, although the config lets such fields be any",
      {
        imports: "makeScaled",
        members: "  readonly qNorm;\n  readonly kNorm;",
        constructs: "    this.qNorm = makeScaled(64, 1e-6);\n    this.kNorm = makeScaled(64, 1e-6);",
      },
      { "tsconfig.json": '{ "compilerOptions": { "strict": false }, "include": ["*.ts"] }' },
    ],
    [
      "set in the constructor of a script without types",
      "see attention.js",
      {
        "attention.ts": "",
        "attention.js": attention({
          imports: "makeScaled",
          constructs: "this.qNorm = makeScaled(64, 1e-6);\nthis.kNorm = makeScaled(64, 1e-6);",
        })
          .replace(/^import type.*$/m, "")
          .replace(/: Tensor|: Config|: number|readonly /g, ""),
      },
    ],
    [
      "behind an interface that one class has",
      { imports: "type Norm", members: "  declare qNorm: Norm;\n  declare kNorm: Norm;" },
      {
        "norms.ts": norms.replace(/^export class Centered[\s\S]*?^}\n/m, "").replace(/^.*Centered.*\n/gm, ""),
      },
    ],
  ])("%s", async (_, model, files) => {
    await project.write(model, files);
    expect(await project.findings()).toMatchObject(unknown);
    expect(await project.findings("--types")).toMatchObject(replaced);
  });

  it("and says what a class computes that the helper does not", async () => {
    await project.write(made("makeCentered"));
    expect(await project.findings("--types")).toMatchObject([{ reason: "layer-norm" }]);
  });

  it("and compares the eps that factories are given", async () => {
    const model = attention(made("makeScaled")).replace("1e-6", "1e-5");
    await project.write(model);
    expect(await project.findings("--types")).toMatchObject([{ reason: "ambiguous" }]);
  });

  it("in a source on standard input that is no file yet", async () => {
    await project.write("");
    const path = `${project.folder.path}/other.ts`;
    const { stdout } = await runCommand(["--types", "--stdin", "--stdin-filename", path], {
      color: false,
      ask: () => {},
      progress: undefined,
      input: Readable.from([Buffer.from(attention(made("makeScaled")))]),
    });
    expect(stdout).toContain("applyQkNorm");
  });

  it("for --explain too", async () => {
    await project.write(made("makeScaled"));
    const { stdout } = await runCommand(["--types", "--explain", `${project.folder.path}/attention.ts`]);
    expect(stdout).toContain("match: ");
    expect(stdout).not.toContain("no match");
  });
});
