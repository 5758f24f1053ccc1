import { describe, expect, it } from "vitest";
import { attention, plainRms, planScript } from "../../test/script-cases.ts";
import { pythonFrontEnd } from "../languages/python/front-end.ts";
import { NormFacts } from "../norms/norm-facts.ts";
import { planFile } from "../plan/plan-file.ts";
import { type Profile, sglangProfile } from "../profiles/profile.ts";
import { Project } from "../project/project.ts";

/** q and k are made by `make(projection, heads)` and normalised as they are. */
const cutBy = (make: (x: string, heads: string) => string, kMake = make) => {
  const side = (name: string, x: string, heads: string, by: typeof make) =>
    `    let ${name} = ${by(x, heads)};`;
  return attention({
    project: [
      side("q", "this.qProj.forward(x)", "this.heads", make),
      side("k", "this.kProj.forward(x)", "this.kvHeads", kMake),
      "    const v = this.vProj.forward(x);",
    ].join("\n"),
    forward: "    q = this.qNorm.forward(q);\n    k = this.kNorm.forward(k);",
  });
};

const cut = (x: string, heads: string) => `${x}.reshape([b, t, ${heads}, this.headDim])`;
const told =
  /\[q, k\] = applyQkNorm\(q, k, this\.qNorm, this\.kNorm, this\.headDim, \{\s*layout: "heads-first",?\s*\}\);/;

describe("a norm of heads that stand before the tokens", () => {
  it.each<[string, (x: string, heads: string) => string]>([
    ["transpose(1, 2)", (x, heads) => `${cut(x, heads)}.transpose(1, 2)`],
    ["axes counted from the end", (x, heads) => `${cut(x, heads)}.transpose(-3, -2)`],
    ["all axes by place", (x, heads) => `${cut(x, heads)}.permute(0, 2, 1, 3)`],
    ["a list of axes", (x, heads) => `${cut(x, heads)}.transpose([0, 2, 1, 3])`],
    ["a function of a module", (x, heads) => `ops.transpose(${cut(x, heads)}, [0, 2, 1, 3])`],
    ["a transpose before a cast", (x, heads) => `${cut(x, heads)}.transpose(1, 2).to("f32")`],
    ["an axis cut in two", (x, heads) => `${x}.unflatten(-1, [${heads}, this.headDim]).transpose(1, 2)`],
    ["a rest of the shape", (x, heads) => `${x}.reshape([...rest, ${heads}, this.headDim]).transpose(1, 2)`],
  ])("becomes a call that says so: %s", (_, make) => {
    const { after, findings } = planScript(cutBy(make));
    expect(findings).toMatchObject([{ kind: "replaced" }]);
    expect(after).toMatch(told);
    expect(planScript(after!).after).toBeUndefined();
  });

  it.each<[string, (x: string, heads: string) => string, (x: string, heads: string) => string]>([
    ["the head dim is moved away", (x, heads) => `${cut(x, heads)}.transpose(-1, -2)`, cut],
    ["a function may do anything", (x, heads) => `transpose(${cut(x, heads)}, [0, 2, 1, 3])`, cut],
    ["axes that are not written down", (x, heads) => `${cut(x, heads)}.permute(order)`, cut],
    ["only q's heads are moved", (x, heads) => `${cut(x, heads)}.transpose(1, 2)`, cut],
    ["heads are first of all", (x, heads) => `${cut(x, heads)}.permute(2, 0, 1, 3)`, cut],
  ])("is kept where the order of the axes is another one, or not known: %s", (name, make, kMake) => {
    const { after, findings } = planScript(cutBy(make, name.startsWith("only") ? kMake : make));
    expect(findings).toMatchObject([{ kind: "refused", reason: "norm-not-per-head" }]);
    expect(after).toBeUndefined();
  });

  it.each<[string, (x: string, heads: string) => string]>([
    ["twice exchanged", (x, heads) => `${cut(x, heads)}.transpose(1, 2).transpose(1, 2)`],
    [
      "a part of a packed tensor",
      (x) => `${x}.reshape([t, 3, this.heads, this.headDim]).permute(1, 0, 2, 3)[0]`,
    ],
  ])("is like any other where the tokens come first again: %s", (_, make) => {
    const { after } = planScript(cutBy(make));
    expect(after).toContain("[q, k] = applyQkNorm(q, k, this.qNorm, this.kNorm, this.headDim);");
  });

  it.each([
    ["a mask on the left of it", "this.mask.reshape([b, t, 1]).mul(x)"],
    ["a product of a mask and it", "this.mask.reshape([b, t, this.headDim]) * 1 + this.other(x)"],
  ])("is not seen in %s", (_, other) => {
    const { findings } = planScript(cutBy(() => `(${other})`).replaceAll("config.headDim,", "config.size,"));
    expect(findings).not.toMatchObject([{ kind: "replaced" }]);
  });

  it("is kept where k has another axis besides", () => {
    const { findings } = planScript(
      cutBy(cut, (x, heads) => `${x}.reshape([b, t, n, ${heads}, this.headDim])`),
    );
    expect(findings).toMatchObject([{ kind: "refused", reason: "helper-mismatch" }]);
  });

  it("is kept by a helper that does not take them", () => {
    const code = cutBy((x, heads) => `${cut(x, heads)}.transpose(1, 2)`);
    const { findings } = planScript(code, { profile: { ...plainRms, headsFirst: "refused" } });
    expect(findings).toMatchObject([{ kind: "refused", reason: "norm-not-per-head" }]);
  });
});

const python = `from layers import RMSNorm


class Attention:
    def __init__(self, config):
        self.head_dim = config.head_dim
        self.q_norm = RMSNorm(self.head_dim)
        self.k_norm = RMSNorm(self.head_dim)

    def forward(self, x):
        shape = (*x.shape[:-1], -1, self.head_dim)
        q = self.q_proj(x).view(shape).transpose(1, 2)
        k = self.k_proj(x).view(shape).transpose(1, 2)
        q, k = apply_rotary_pos_emb(q, k)
        q = self.q_norm(q)
        k = self.k_norm(k)
        return self.attend(q, k)
`;

function planPython(headsFirst: Profile["headsFirst"]) {
  const project = new Project([pythonFrontEnd]);
  const profile: Profile = {
    ...sglangProfile,
    norms: ["plain-rms", "unknown"],
    requiredAttributes: [],
    headsFirst,
  };
  const form = project.add("repo/attention.py", "python", python)!;
  return planFile(form, { project, facts: new NormFacts(project), profile, filesMentioning: () => [] });
}

describe("a helper in Python", () => {
  it.each(["as-is", "option"] as const)(
    "takes heads that come first, also behind the rotation: %s",
    (headsFirst) => {
      const { after } = planPython(headsFirst);
      expect(after).toContain("q, k = apply_qk_norm(");
      expect(after?.includes('layout="heads-first"')).toBe(headsFirst === "option");
    },
  );

  it("keeps them where the profile does not say that it takes them", () => {
    expect(planPython("refused").findings).toMatchObject([{ reason: "norm-not-per-head" }]);
  });
});
