import { describe, expect, it } from "vitest";
import {
  CheckedProject,
  type Model,
  made,
  norms,
  replaced,
  Together,
  unknown,
} from "./checked-types-project.ts";

const project = new CheckedProject();

describe("--types leaves a norm unknown", () => {
  const cases: readonly [string, Model][] = [
    ["of type any", made("makeAny")],
    ["that is one of two classes", made("makeEither")],
    [
      "behind an interface that two different classes have",
      { imports: "type Norm", members: "  declare qNorm: Norm;\n  declare kNorm: Norm;" },
    ],
    [
      "in what a method gives back, and another by the same name",
      {
        imports: "makeParts, type Centered",
        before:
          "interface Parts { (size: number): ReturnType<typeof makeParts>; (size: string): Both<Centered> }\ninterface Both<N> { readonly qNorm: N; readonly kNorm: N }",
        members: "  declare parts: Parts;",
        norms: ['this.parts("64").qNorm', 'this.parts("64").kNorm'],
      },
    ],
    [
      "in what a method gives back by the type that it is called with",
      {
        imports: "type Scaled",
        before: "interface Both<N> { readonly qNorm: N; readonly kNorm: N }",
        members: "  declare parts: <Parts extends Both<Scaled>>() => Parts;",
        norms: ["this.parts().qNorm", "this.parts().kNorm"],
      },
    ],
    [
      "of an attribute that its type does not have",
      {
        imports: "makeParts",
        members: "  declare parts: ReturnType<typeof makeParts>;",
        norms: ["this.parts.x.qNorm", "this.parts.x.kNorm"],
      },
    ],
  ];
  const known = made("makeScaled");
  const together = new Together(project, [known, ...cases.map(([, model]) => model)]);
  it.each(cases)("%s", async (_, model) => {
    expect(await together.findings(known, "typed")).toMatchObject(replaced);
    expect(await together.findings(model, "typed")).toMatchObject(unknown);
  });

  // Alone, since a class that is mixed up with another is known nowhere in the project.
  it.each<[string, Model, Record<string, string>]>([
    [
      "out of a map of two classes with the same members",
      {
        imports: "makeScaled, makeCentered",
        before:
          'const makeMixed = () => new Map([["q", makeScaled(64, 1e-6)], ["k", makeCentered(64, 1e-6)]]);',
        members:
          '  readonly all = makeMixed();\n  readonly qNorm = this.all.get("q")!;\n  readonly kNorm = this.all.get("k")!;',
      },
      {},
    ],
    [
      "that is set to another one as well",
      {
        imports: "makeScaled, Centered",
        members: "  qNorm: ReturnType<typeof makeScaled>;\n  kNorm = makeScaled(64, 1e-6);",
        constructs: "    this.qNorm = makeScaled(64, 1e-6);\n    this.qNorm = new Centered(ones(64), 1e-6);",
      },
      {},
    ],
    [
      "that may be of a derived class which computes something else",
      made("makeScaled"),
      {
        "offset.ts": `import { Scaled } from "./norms";
export class Offset extends Scaled {
  override forward(x) { return x.mul(rsqrt(x.square().mean())).mul(1 + this.weight); }
}
`,
      },
    ],
    [
      "behind an interface that an object has which is written out",
      { imports: "type Norm", members: "  declare qNorm: Norm;\n  declare kNorm: Norm;" },
      {
        "norms.ts": norms.replace(/^export class Centered[\s\S]*?^}\n/m, "").replace(/^.*Centered.*\n/gm, ""),
        "none.ts":
          'import type { Norm } from "./norms";\nexport const none: Norm = { eps: 0, forward: (x) => x };\n',
      },
    ],
  ])("%s", async (_, model, files) => {
    await project.write(model, files);
    expect(await project.findings("--types")).toMatchObject(unknown);
  });
});
