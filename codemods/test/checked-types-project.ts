// A project of attentions whose norms only the type checker knows, and what a run of the codemod finds in it.
import { basename } from "node:path";
import { ModelFolder } from "./model-folder.ts";

/** Names that say nothing: what a class computes has to be read from its code. */
export const norms = `import type { Tensor } from "./tensor";
export class Scaled {
  constructor(readonly weight: Tensor, readonly eps: number) {}
  forward(x: Tensor): Tensor { return x.mul(rsqrt(x.square().mean().add(this.eps))).mul(this.weight); }
}
export class Centered {
  constructor(readonly weight: Tensor, readonly eps: number) {}
  forward(x: Tensor): Tensor { const mean = x.mean(); return x.sub(mean).mul(this.weight); }
}
export interface Norm { readonly eps: number; forward(x: Tensor): Tensor }
export type HeadNorm = Scaled;
export const makeScaled = (size: number, eps: number) => new Scaled(ones(size), eps);
export const makeCentered = (size: number, eps: number) => new Centered(ones(size), eps);
export const makeAny = (size: number, eps: number): any => new Scaled(ones(size), eps);
export const makeEither = (size: number, eps: number) => size > 64 ? new Scaled(ones(size), eps) : new Centered(ones(size), eps);
export const makeParts = (size: number) => ({ qNorm: makeScaled(size, 1e-6), kNorm: makeScaled(size, 1e-6) });
export const makeAll = (size: number) => new Map([["q", makeScaled(size, 1e-6)], ["k", makeScaled(size, 1e-6)]]);
`;

const tensor = `export interface Tensor {
  readonly shape: readonly number[];
  reshape(shape: readonly number[]): Tensor;
  mul(by: Tensor): Tensor;
}
`;

export interface Model {
  readonly imports: string;
  /** Members, which declare the norms, and what the constructor does. */
  readonly members?: string;
  readonly constructs?: string;
  /** How the norms are called. */
  readonly norms?: readonly [string, string];
  readonly before?: string;
  /** The head of the method that calls them. */
  readonly forward?: string;
}

export function attention({
  imports,
  members = "",
  constructs = "",
  norms: [q, k] = ["this.qNorm", "this.kNorm"],
  before = "",
  forward = "forward(x: Tensor): Tensor",
}: Model): string {
  return `import type { Tensor } from "./tensor";
import { ${imports} } from "./norms";
${before}
export class Attention {
${members}
  constructor(readonly config: Config, readonly headDim: number) {
${constructs}
  }
  ${forward} {
    let q = this.qProj.forward(x);
    let k = this.kProj.forward(x);
    q = ${q}.forward(q.reshape([-1, this.headDim])).reshape(q.shape);
    k = ${k}.forward(k.reshape([-1, this.headDim])).reshape(k.shape);
    return this.attend(q, k);
  }
}
`;
}

export const made = (factory: string, other = factory): Model => ({
  imports: factory === other ? factory : `${factory}, ${other}`,
  members: `  readonly qNorm = ${factory}(64, 1e-6);\n  readonly kNorm = ${other}(64, 1e-6);`,
});

/** The project of one test file: made there, since its folder comes and goes with that file's tests. */
export class CheckedProject {
  readonly folder = new ModelFolder();

  async write(model: Model | string, files: Readonly<Record<string, string>> = {}): Promise<void> {
    const all = {
      "qknorm-codemod.json": JSON.stringify({
        profile: "plain-rms",
        profiles: { "plain-rms": { extends: "qknorm", norms: ["plain-rms"] } },
      }),
      "tsconfig.json": '{ "compilerOptions": { "strict": true }, "include": ["*.ts", "*.js"] }',
      "tensor.ts": tensor,
      "norms.ts": norms,
      "attention.ts": typeof model === "string" ? model : attention(model),
      ...files,
    };
    for (const [name, text] of Object.entries(all)) await this.folder.write(name, text);
  }

  async findings(...args: readonly string[]) {
    const { files } = await this.folder.report(...args);
    return files.flatMap((file: { findings: readonly unknown[] }) => file.findings);
  }

  async findingsByName(...args: readonly string[]): Promise<Map<string, unknown[]>> {
    const { files } = await this.folder.report(...args);
    return new Map(
      files.map(({ path, findings }: { path: string; findings: unknown[] }) => [basename(path), findings]),
    );
  }
}

/**
 * What a run finds in each of several models, without `--types` and with it. They stand in one project, since the checker's program
 * takes the time; asked for again, it is what was found.
 */
export class Together {
  readonly #project: CheckedProject;
  readonly #models: readonly Model[];
  #found: Promise<{ plain: Map<string, unknown[]>; typed: Map<string, unknown[]> }> | undefined;

  constructor(project: CheckedProject, models: readonly Model[]) {
    this.#project = project;
    this.#models = models;
  }

  async findings(model: Model, how: "plain" | "typed"): Promise<unknown> {
    this.#found ??= this.#run();
    return (await this.#found)[how].get(nameOf(this.#models.indexOf(model)));
  }

  async #run() {
    await this.#project.write(
      "",
      Object.fromEntries(this.#models.map((model, i) => [nameOf(i), attention(model)])),
    );
    return {
      plain: await this.#project.findingsByName(),
      typed: await this.#project.findingsByName("--types"),
    };
  }
}

const nameOf = (index: number): string => `attention-${index}.ts`;

export const replaced = [{ kind: "replaced" }];
export const unknown = [{ reason: "unknown-norm" }];
