import { join } from "node:path";
import { pythonFrontEnd } from "../src/languages/python/front-end.ts";
import { NormFacts } from "../src/norms/norm-facts.ts";
import { type FilePlan, planFile } from "../src/plan/plan-file.ts";
import { type Profile, sglangProfile } from "../src/profiles/profile.ts";
import { Project } from "../src/project/project.ts";
import { pythonFixtures } from "./python-run.ts";

/** A model file with one attention class. */
export interface PythonModel {
  /** Statements of `forward(self, x, context)`, up to the return of q, k. */
  readonly forward: readonly string[];
  readonly init?: readonly string[];
  readonly norm?: string;
  readonly head?: string;
  readonly above?: string;
  /** What the attention class derives from. */
  readonly bases?: string;
  readonly profile?: Profile;
}

/** Plain RMS with the attributes that the profile `sglang` wants. */
export const norm = `class Norm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.variance_epsilon = eps

    def forward(self, x):
        variance = x.pow(2).mean(-1, keepdim=True)
        return self.weight * (x * torch.rsqrt(variance + self.variance_epsilon))
`;
/** Statements that make q and k, `[..., H, D]`. */
export const made = [
  "q, k = self.qk_proj(x).split([self.q_size, self.k_size], dim=-1)",
  "q, k = q.view(*q.shape[:-1], -1, self.head_dim), k.view(*k.shape[:-1], -1, self.head_dim)",
];
export const normed = ["q = self.q_norm(q)", "k = self.k_norm(k)"];

/** Plans the model. */
export function planPython({
  forward,
  init,
  norm: cls = norm,
  head = "",
  above = "",
  bases = "nn.Module",
  profile = sglangProfile,
}: PythonModel): FilePlan {
  const fields = init ?? ["self.q_norm = Norm(self.head_dim)", "self.k_norm = Norm(self.head_dim)"];
  const text = `import torch
from torch import nn


${cls}

${above}class Attention(${bases}):
    def __init__(self, config):
        super().__init__()
        self.head_dim = config.head_dim
${fields.map((line) => `        ${line}\n`).join("")}
${head}    def forward(self, x, context):
${forward.map((line) => `        ${line}\n`).join("")}        return self.attend(q, k)
`;
  const project = new Project([pythonFrontEnd]);
  const form = project.add(join(pythonFixtures, "other.py"), "python", text);
  if (form === undefined) throw new Error("the case was not lowered");
  return planFile(form, { project, facts: new NormFacts(project), profile, filesMentioning: () => [] });
}
