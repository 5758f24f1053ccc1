import { describe, expect, test } from "vitest";
import { made, norm, normed, planPython } from "../../test/python-plan.ts";
import type { FilePlan } from "../plan/plan-file.ts";

const reasonsOf = ({ findings }: FilePlan) => findings.map(({ reason, kind }) => reason ?? kind);

describe("a class whose norms may go without their weight", () => {
  const choosing = (choice: string, flag: string) =>
    norm
      .replace("eps=1e-6)", `eps=1e-6, ${flag})`)
      .replace("        self.weight = nn.Parameter(torch.ones(dim))\n", choice);
  const inBranch = `        if affine:
            self.weight = nn.Parameter(torch.ones(dim))
        else:
            self.register_parameter("weight", None)
`;
  const inExpression = "        self.weight = nn.Parameter(torch.ones(dim)) if affine else None\n";
  const byAttribute = `        self.has_weight = affine
        self.weight = None
        if self.has_weight:
            self.weight = nn.Parameter(torch.ones(dim))
`;
  const plan = (choice: string, args: string, flag = "affine=True") =>
    reasonsOf(
      planPython({
        forward: [...made, ...normed],
        norm: choosing(choice, flag),
        init: [
          `self.q_norm = Norm(self.head_dim${args.includes("1e-6") ? ", 1e-6" : ""})`,
          `self.k_norm = Norm(${args})`,
        ],
      }),
    );

  describe.each([
    ["by a branch", inBranch],
    ["by an expression", inExpression],
    ["by an attribute", byAttribute],
  ])("%s", (_, choice) => {
    test.each([
      ["says nothing", "self.head_dim"],
      ["says so", "self.head_dim, affine=True"],
      ["says so by its place", "self.head_dim, 1e-6, True"],
    ])("has it where the construction %s", (__, args) => expect(plan(choice, args)).toEqual(["replaced"]));

    test.each([
      ["has none", "self.head_dim, affine=False"],
      ["has none, by its place", "self.head_dim, 1e-6, False"],
      ["may have none", "self.head_dim, affine=config.affine"],
    ])("is none that the helper reads where it %s", (__, args) =>
      expect(plan(choice, args)).toEqual(["unknown-norm"]),
    );
  });

  test("has that of its base, unless it takes it out", () => {
    const derived = (more: string) => `${norm.replace("class Norm(", "class Base(")}

class Norm(Base):
    def __init__(self, dim, affine=True):
        super().__init__(dim)
        if not affine:
            ${more}
`;
    const reasons = (args: string, more: string) =>
      reasonsOf(
        planPython({
          forward: [...made, ...normed],
          norm: derived(more),
          init: ["self.q_norm = Norm(self.head_dim)", `self.k_norm = Norm(${args})`],
        }),
      );
    const buffer = 'self.register_buffer("weight", torch.ones(dim))';
    expect(reasons("self.head_dim", "self.weight = None")).toEqual(["replaced"]);
    expect(reasons("self.head_dim, affine=False", "self.weight = None")).toEqual(["unknown-norm"]);
    expect(reasons("self.head_dim, affine=False", buffer)).toEqual(["replaced"]);
  });

  test("has none by default, unless the construction says otherwise", () => {
    expect(plan(inBranch, "self.head_dim, affine=True", "affine=False")).toEqual(["unknown-norm"]);
  });

  test("is none where a weight is handed in, and none is", () => {
    const given = norm
      .replace("eps=1e-6)", "eps=1e-6, weight=None)")
      .replace("nn.Parameter(torch.ones(dim))", "weight");
    expect(
      reasonsOf(
        planPython({
          forward: [...made, ...normed],
          norm: given,
          init: ["self.q_norm = Norm(self.head_dim)", "self.k_norm = Norm(self.head_dim)"],
        }),
      ),
    ).toEqual(["unknown-norm"]);
  });
});
