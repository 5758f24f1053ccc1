import type { Language } from "../src/files/source-files.ts";
import { scriptFrontEnd } from "../src/languages/typescript/front-end.ts";
import { NormFacts } from "../src/norms/norm-facts.ts";
import { type FilePlan, planFile } from "../src/plan/plan-file.ts";
import { type Profile, qknormProfile } from "../src/profiles/profile.ts";
import { Project } from "../src/project/project.ts";

/** As `qknorm`, but for plain RMS only, so that every rule about norm classes shows. */
export const plainRms: Profile = { ...qknormProfile, name: "plain-rms", norms: ["plain-rms"] };

export const norms = `
import type { Tensor } from "./tensor";
export class RmsNorm {
  constructor(readonly weight: Tensor, readonly eps: number) {}
  forward(x: Tensor): Tensor { return x.mul(rsqrt(x.square().mean().add(this.eps))).mul(this.weight); }
}
export class OffsetNorm extends RmsNorm {
  override forward(x: Tensor): Tensor { return x.mul(rsqrt(x.square().mean())).mul(1 + this.weight); }
}
export class CenteredNorm {
  constructor(readonly weight: Tensor, readonly eps: number) {}
  forward(x: Tensor): Tensor { const mean = x.mean(); return (x - mean).mul(this.weight); }
}
export class SlowNorm {
  constructor(readonly weight: Tensor, readonly eps: number) {}
  async forward(x: Tensor): Promise<Tensor> { return x.mul(rsqrt(x.square())).mul(this.weight); }
}
export { RmsNorm as HeadNorm };
export function applyHeadNorm(norm: RmsNorm, x: Tensor, headDim: number): Tensor {
  return norm.forward(x.reshape([-1, headDim])).reshape(x.shape);
}
export function disposing(old: Tensor, next: Tensor): Tensor { old.dispose(); return next; }
`;

/** The call that replaces the step in `attention`. */
export const call = "applyQkNorm(q, k, this.qNorm, this.kNorm, this.headDim)";

/** The norm of each head of a side. */
export const rows = (side: string): string =>
  `this.${side}Norm.forward(${side}.reshape([-1, this.headDim])).reshape(${side}.shape)`;

/** Code as it would stand in one line. */
export const onOneLine = (text: string | undefined): string | undefined =>
  text
    ?.replace(/\s+/g, " ")
    .replace(/\( /g, "(")
    .replace(/, ([)}])/g, (_, end) => (end === "}" ? " }" : end));

export interface Attention {
  /** The body of `forward(x)`; q, k and v are projected first, `[T, H*D]`. */
  readonly forward: string;
  readonly members?: string;
  readonly norm?: string;
  readonly kNorm?: string;
  readonly imports?: string;
  /** How q and k are made. */
  readonly project?: string;
}

const projected = `    let q = this.qProj.forward(x);
    let k = this.kProj.forward(x);
    const v = this.vProj.forward(x);`;

/** A module with one attention class around the given step. */
export function attention({
  forward,
  members = "",
  norm = "RmsNorm",
  kNorm = norm,
  imports = "",
  project = projected,
}: Attention): string {
  return `import { applyHeadNorm, disposing, ${[...new Set([norm, kNorm])].join(", ")} } from "./norms";
${imports}
export class Attention {
  readonly headDim: number;
  readonly qNorm: ${norm};
  readonly kNorm: ${kNorm};

  constructor(config: Config) {
    this.headDim = config.headDim;
    this.qNorm = new ${norm}(ones(config.headDim), config.eps);
    this.kNorm = new ${kNorm}(ones(config.headDim), config.eps);
  }

  forward(x: Tensor): Tensor {
${project}
${forward}
    return this.attend(this.rope(q), this.rope(k), v);
  }
${members}}
`;
}

/** Plans one file that stands beside `norms.ts` and any other files given. */
export function planScript(
  code: string,
  {
    profile = plainRms,
    others = {},
    path = "repo/attention.ts",
  }: {
    readonly profile?: Profile;
    readonly others?: Readonly<Record<string, string>>;
    readonly path?: string;
  } = {},
): FilePlan {
  const project = new Project([scriptFrontEnd]);
  const files: Record<string, string> = { "repo/norms.ts": norms, ...others };
  for (const [name, text] of Object.entries(files)) project.add(name, "typescript", text);
  const language: Language = /\.[cm]?tsx?$/.test(path) ? "typescript" : "javascript";
  const form = project.add(path, language, code);
  if (form === undefined) throw new Error("no front end");
  const filesMentioning = (word: string) => Object.keys(files).filter((name) => files[name]!.includes(word));
  return planFile(form, { project, facts: new NormFacts(project), profile, filesMentioning });
}
