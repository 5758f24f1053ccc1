import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Outcome, outcomeOf, type Step } from "../../test/in-place-step.ts";
import { made, planPython } from "../../test/python-plan.ts";
import { pythonFixtures } from "../../test/python-run.ts";
import { pythonFrontEnd } from "../languages/python/front-end.ts";
import { NormFacts } from "../norms/norm-facts.ts";
import { sglangProfile } from "../profiles/profile.ts";
import { Project } from "../project/project.ts";
import { planFile } from "./plan-file.ts";

function python({ before = [], after = [], made, params = "hidden, attend" }: Step): Outcome {
  const lines = [
    ...(made ?? ["q, k, v = self.qkv(hidden).split(self.sizes, dim=-1)"]),
    ...before,
    "q = self.q_norm(q.view(-1, self.head_dim)).view(q.shape)",
    "k = self.k_norm(k.view(-1, self.head_dim)).view(k.shape)",
    ...after,
    "return attend(q, k, v)",
  ];
  const text = `from torch import nn

from engine.layers.norms import RMSNorm


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.head_dim = config.head_dim
        self.sizes = config.sizes
        self.qkv = nn.Linear(config.hidden, sum(self.sizes))
        self.skip = nn.Identity()
        self.q_norm = RMSNorm(self.head_dim)
        self.k_norm = RMSNorm(self.head_dim)

    def forward(self, ${params}):
${lines.map((line) => `        ${line}\n`).join("")}`;
  const project = new Project([pythonFrontEnd]);
  const form = project.add(join(pythonFixtures, "keep", "engine", "models", "case.py"), "python", text);
  if (form === undefined) throw new Error("the case was not lowered");
  const profile = { ...sglangProfile, helper: { name: "apply_qk_norm", module: "engine.models.common" } };
  return outcomeOf(
    planFile(form, { project, facts: new NormFacts(project), profile, filesMentioning: () => [] }).after,
  );
}

describe("in Python the helper overwrites q and k", () => {
  test.each<[string, Step]>([
    ["that a projection has just made", {}],
    ["of which somebody has a product", { before: ["raw = k * 1.0"], after: ["self.log(raw)"] }],
    ["of which somebody has a clone", { before: ["raw = k.clone()"], after: ["self.log(raw)"] }],
    [
      "of which somebody has a choice",
      { before: ["raw = torch.where(k > 0, k, 0)"], after: ["self.log(raw)"] },
    ],
    [
      "of which somebody has an einsum",
      { before: ['raw = torch.einsum("td,de->te", k, self.w)'], after: ["self.log(raw)"] },
    ],
    ["of which somebody knows the type", { before: ["raw = type(k)"], after: ["self.log(raw, type(k))"] }],
    ["of which somebody had a list that nobody reads", { before: ["raw = [q, k]"] }],
    ["whose shape is read again", { before: ["raw = k"], after: ["self.log(raw.shape, raw.size(0))"] }],
    ["beside another part of the packed tensor", { after: ["self.log(v)"] }],
    [
      "that are slices which do not meet",
      {
        made: [
          "packed = self.qkv(hidden)",
          "q, k = packed[..., :self.n], packed[..., self.n : self.n + self.m]",
          "v = packed[..., self.n + self.m :]",
        ],
        after: ["self.log(v)", "self.log(packed[..., self.n + self.m :])"],
      },
    ],
    ["under a guard", { before: ["if self.debug:", "    self.log(q.shape)"] }],
  ])("%s", (_, step) => expect(python(step)).toBe("in place"));

  test.each<[string, Step]>([
    ["in a list", { before: ["raw = [q, k]"], after: ["self.log(raw[1])"] }],
    [
      "by the other one, which overlaps with it",
      {
        made: ["packed = self.qkv(hidden)", "q, k, v = packed[..., : self.n], packed[..., self.m :], hidden"],
      },
    ],
    [
      "in a tuple that is taken apart",
      { before: ["pair = q, k", "_, raw = pair"], after: ["self.log(raw)"] },
    ],
    ["in a dict", { before: ['state = {"k": k}'], after: ['self.log(state["k"])'] }],
    ["behind a star", { before: ["raw = [*(q, k)]"], after: ["self.log(raw)"] }],
    ["in what is left of a tuple", { before: ["_, *raw = v, k"], after: ["self.log(raw)"] }],
    ["appended", { before: ["raw = []", "raw.append(k)"], after: ["self.log(raw)"] }],
    ["by setdefault", { before: ['self.state.setdefault("k", k)'] }],
    ["in a set of the module", { before: ["seen.add(k)"] }],
    ["in a list that is an attribute", { before: ["self.raw = [v, k]"] }],
    ["in an item of an attribute, perhaps", { before: ['self.state["k"] = k.float()'] }],
    ["by setattr", { before: ['setattr(self, "raw", k)'] }],
    ["in a partial", { before: ["later = partial(self.log, k)"], after: ["later()"] }],
    ["as a default of a lambda", { before: ["later = lambda k=k: self.log(k)"], after: ["later()"] }],
    [
      "as a default of a function",
      { before: ["def later(raw=k):", "    self.log(raw)"], after: ["later()"] },
    ],
    [
      "in a function that is written before the variable",
      { before: ["def later():", "    return raw", "raw = k"], after: ["self.log(later())"] },
    ],
    ["by a conditional expression", { before: ["raw = k if self.keep else v"], after: ["self.log(raw)"] }],
    ["by `or`", { before: ["raw = self.raw or k"], after: ["self.log(raw)"] }],
    ["as a view by the class", { before: ["raw = torch.Tensor.view(k, -1)"], after: ["self.log(raw)"] }],
    [
      "on both branches",
      {
        before: [
          "if self.a:",
          "    k = self.shift(k)",
          "    raw = k",
          "else:",
          "    k = k + 1",
          "    raw = k",
        ],
        after: ["self.log(raw)"],
      },
    ],
    ["in the other dtype that may be its own", { before: ["raw = k.to(v.dtype)"], after: ["self.log(raw)"] }],
    ["as float", { before: ["raw = k.float()"], after: ["self.log(raw)"] }],
    ["as its data", { before: ["raw = k.data"], after: ["self.log(raw)"] }],
    ["detached", { before: ["raw = k.detach()"], after: ["self.log(raw)"] }],
    ["transposed by an attribute", { before: ["raw = k.mT"], after: ["self.log(raw)"] }],
    ["rearranged", { before: ['raw = rearrange(k, "t d -> d t")'], after: ["self.log(raw)"] }],
    ["by dropout, which may do nothing", { before: ["raw = self.drop(k)"], after: ["self.log(raw)"] }],
    ["with something added in place", { before: ["raw = k", "k += 1"], after: ["self.log(raw)"] }],
    ["in a hook", { before: ["k.register_hook(print)"] }],
    ["in a comprehension", { before: ["raw = [t for t in (q, k)]"], after: ["self.log(raw)"] }],
    ["in a loop over both", { before: ["for t in (q, k):", "    raw = t"], after: ["self.log(raw)"] }],
    ["in a global variable", { before: ["global raw", "raw = k"] }],
    ["in a generator", { before: ["yield k"] }],
    ["in a class", { before: ["class Kept:", "    raw = k"], after: ["self.log(Kept.raw)"] }],
    ["in a list that another is added to", { before: ["raw = []", "raw += [k]"], after: ["self.log(raw)"] }],
    ["in a sum of lists", { before: ["raw = [v] + [k]"], after: ["self.log(raw[1])"] }],
    ["in a list taken twice", { before: ["raw = [k] * 2"], after: ["self.log(raw[0])"] }],
    ["in a union of dicts", { before: ['raw = {} | {"k": k}'], after: ['self.log(raw["k"])'] }],
    [
      "in a dict that is added to",
      { before: ["raw = {}", 'raw |= {"k": k}'], after: ['self.log(raw["k"])'] },
    ],
    ["by a name in a comprehension", { before: ["_ = [raw := t for t in (k,)]"], after: ["self.log(raw)"] }],
    ["by all variables together", { before: ["raw = locals()"], after: ['self.log(raw["k"])'] }],
    ["by all variables together, afterwards", { before: ["raw = k"], after: ["self.log(locals())"] }],
    ["by code in a text, afterwards", { before: ["raw = k"], after: ['exec("self.log(raw)")'] }],
    ["as what a closure gives", { before: ["raw = (lambda x=k: lambda: x)()()"], after: ["self.log(raw)"] }],
    [
      "as what a function with a default gives",
      {
        before: ["def later(x=k):", "    return x", "raw = later()"],
        after: ["later = None", "self.log(raw)"],
      },
    ],
    [
      "by a decorator of a function that has it as a default",
      { before: ["@self.register", "def hook(x=k):", "    return x"] },
    ],
    ["as another type that may be its own", { before: ["raw = k.type(v.dtype)"], after: ["self.log(raw)"] }],
    ["by an einsum of it alone", { before: ['raw = torch.einsum("td->dt", k)'], after: ["self.log(raw)"] }],
    ["turned round", { before: ["raw = np.flip(k)"], after: ["self.log(raw)"] }],
    [
      "by an exception",
      {
        before: ["try:", "    raise Held(k)", "except Held as raw:", "    kept = raw"],
        after: ["self.log(kept)"],
      },
    ],
    ["by its own other places", { before: ["k = k.expand(2, -1)"] }],
    ["as a function's `out`", { before: ["raw = torch.add(q, v, out=k)"], after: ["self.log(raw)"] }],
    ["as what a function was told to write into", { before: ["k = torch.mul(k, 2.0, out=self.buffer)"] }],
    [
      "as what a function wrote in place",
      { before: ["raw = F.relu(k, inplace=True)"], after: ["self.log(raw)"] },
    ],
    ["by the caller", { made: ["v = self.qkv(hidden)"], params: "q, k, hidden, attend" }],
    ["by the caller, as a part", { made: ["q, k, v = given"], params: "given, attend" }],
    ["by an attribute", { made: ["q, v = self.qkv(hidden).split(self.sizes)", "k = self.last_k"] }],
    ["by a cache", { made: ["q, v = self.qkv(hidden).split(self.sizes)", "k = self.cache.get(v)"] }],
    ["by a module that gives back what it is given", { made: ["q, k, v = self.skip(hidden)"] }],
  ])("but not while one of them is held: %s", (_, step) => expect(python(step)).not.toBe("in place"));
});

describe("in Python a part of a packed tensor is overwritten", () => {
  const cut = (shape: (heads: string) => string, made: string): Step => ({
    made: [made, `q = q.${shape("self.heads")}`, `k = k.${shape("self.kv_heads")}`],
  });
  const packed = "q, k, v = self.qkv(hidden).split(self.sizes, dim=-1)";
  const apart = "q, k = self.q_proj(hidden), self.k_proj(hidden)\n        v = k * 2.0";

  test("where its tokens are one axis, which the helper can see as rows", () => {
    expect(python(cut((heads) => `view(-1, ${heads}, self.head_dim)`, packed))).toBe("in place");
  });

  test("not where they are on two axes, unless it is packed no more", () => {
    const shape = (heads: string) => `view(1, -1, ${heads}, self.head_dim)`;
    expect(python(cut(shape, packed))).toBe("apart");
    expect(python(cut(shape, apart))).toBe("in place");
  });
});

describe("q and k that a caller gives", () => {
  const method = (body: readonly string[]) =>
    `    def _rotated(self, packed, context):
        q, k, v = packed.split([self.q_size, self.k_size, self.k_size], dim=-1)
        q = self.q_norm(q.view(-1, self.heads, self.head_dim))
        k = self.k_norm(k.view(-1, self.kv_heads, self.head_dim))
${body.map((line) => `        ${line}\n`).join("")}        return self.rotary(q, k), v

`;
  const outcome = (forward: readonly string[], body: readonly string[] = []) =>
    outcomeOf(planPython({ forward: [...forward, "q, k = out"], head: method(body) }).after);
  const call = ["packed = self.qkv_proj(x)", "out, v = self._rotated(packed, context)"];
  const runsItself = `    def _run_itself(self, x):
        q, k = self.qk_proj(x).chunk(2, dim=-1)
        return self(q, k), k

`;
  /** A class that hands q and k to its own `name`, by its name and, if asked, by calling itself. */
  const own = (name: string, also: "self" | "" = "") => `class Inner(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.head_dim = config.head_dim
        self.q_norm = Norm(config.head_dim)
        self.k_norm = Norm(config.head_dim)

    def ${name}(self, q, k):
        q = self.q_norm(q.view(-1, self.head_dim)).view(q.shape)
        k = self.k_norm(k.view(-1, self.head_dim)).view(k.shape)
        return self.attend(q, k)

    def _run(self, x):
        q, k = self.qk_proj(x).chunk(2, dim=-1)
        return self.${name}(q, k)

${also === "self" ? runsItself : ""}
`;

  test("are overwritten where each caller reads nothing of them afterwards", () => {
    expect(outcome(call)).toBe("in place");
    expect(outcome(["out, v = self._rotated(self.qkv_proj(x), context)"])).toBe("in place");
    expect(outcome([...call, "context.log(packed.shape)"])).toBe("in place");
  });

  test.each<[string, readonly string[], (readonly string[])?]>([
    ["the caller reads them", [...call, "context.log(packed)"]],
    ["the caller has them from somebody else", ["out, v = self._rotated(context, x)"]],
    ["the caller keeps them", [call[0]!, "context.append(packed)", call[1]!]],
    [
      "one of two callers reads them",
      [...call, "packed = self.qkv_proj(x)", "y = self._rotated(packed, x)", "context.log(packed)"],
    ],
    ["the function keeps them", call, ["self.last = packed"]],
    ["it is also called by another name", [...call, "context.call(self._rotated)"]],
    ["it is called with a list", ["out, v = self._rotated(*context)"]],
    ["nobody calls it", ["out = self.qk(x)"]],
  ])("are not where %s", (_, forward, body) => {
    expect(outcome(forward, body)).not.toBe("in place");
  });

  test("are not by a function that is run without being named", () => {
    const outcomeOfOwn = (name: string, also?: "self") =>
      outcomeOf(planPython({ above: own(name, also), forward: made }).after);
    expect(outcomeOfOwn("_normed")).toBe("in place");
    expect(outcomeOfOwn("forward", "self")).toBe("apart");
    expect(outcomeOfOwn("__call__", "self")).toBe("apart");
  });

  test("are not by a function that a decorator may keep them for", () => {
    const kept = own("_normed").replace("    def _normed", "    @remembering\n    def _normed");
    expect(outcomeOf(planPython({ above: kept, forward: made }).after)).toBe("apart");
  });
});

describe("what leaves its block comes back", () => {
  const outcome = (...lines: readonly string[]) =>
    outcomeOf(planPython({ forward: [...made, ...lines] }).after);
  const arm = (way: string, indent: string) =>
    ["qn = self.q_norm(q)", "kn = self.k_norm(k)", "context.log(qn, kn)", way].map((line) => indent + line);

  test("in the next round of a loop, and there somebody reads k as it was", () => {
    const loop = (way: string) => [
      "for flag in context.flags:",
      "    if flag:",
      ...arm(way, "        "),
      "    context.log(k)",
    ];
    expect(outcome(...loop("continue"))).not.toBe("in place");
    expect(outcome("if context.flag:", ...arm("return x", "    "), "context.log(k)")).toBe("in place");
  });

  test("behind a try, and there somebody reads k as it was", () => {
    const lines = ["try:", "    if context.flag:", ...arm("raise ValueError", "        ")];
    expect(outcome(...lines, "except ValueError:", "    pass", "context.log(k)")).not.toBe("in place");
  });
});
