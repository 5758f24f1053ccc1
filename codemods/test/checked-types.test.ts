import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { basename, relative } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runCommand } from "../src/command/command.ts";
import { ModelFolder } from "./model-folder.ts";

const models = new ModelFolder();

/** Names that say nothing: what a class computes has to be read from its code. */
const norms = `import type { Tensor } from "./tensor";
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

interface Model {
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

function attention({
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

const made = (factory: string, other = factory): Model => ({
  imports: factory === other ? factory : `${factory}, ${other}`,
  members: `  readonly qNorm = ${factory}(64, 1e-6);\n  readonly kNorm = ${other}(64, 1e-6);`,
});

async function write(model: Model | string, files: Readonly<Record<string, string>> = {}): Promise<void> {
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
  for (const [name, text] of Object.entries(all)) await models.write(name, text);
}

async function findings(...args: readonly string[]) {
  const { files } = await models.report(...args);
  return files.flatMap((file: { findings: readonly unknown[] }) => file.findings);
}

/**
 * What a run finds in each of several models, without `--types` and with it. They stand in one project, since the checker's program
 * takes the time; asked for again, it is what was found.
 */
class Together {
  readonly #models: readonly Model[];
  #found: Promise<{ plain: Map<string, unknown[]>; typed: Map<string, unknown[]> }> | undefined;

  constructor(models: readonly Model[]) {
    this.#models = models;
  }

  async findings(model: Model, how: "plain" | "typed"): Promise<unknown> {
    this.#found ??= this.#run();
    return (await this.#found)[how].get(nameOf(this.#models.indexOf(model)));
  }

  async #run() {
    await write("", Object.fromEntries(this.#models.map((model, i) => [nameOf(i), attention(model)])));
    return { plain: await findingsByName(), typed: await findingsByName("--types") };
  }
}

const nameOf = (index: number): string => `attention-${index}.ts`;

async function findingsByName(...args: readonly string[]): Promise<Map<string, unknown[]>> {
  const { files } = await models.report(...args);
  return new Map(
    files.map(({ path, findings }: { path: string; findings: unknown[] }) => [basename(path), findings]),
  );
}

const replaced = [{ kind: "replaced" }];
const unknown = [{ reason: "unknown-norm" }];

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
  const together = new Together(cases.map(([, model]) => model));
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
    await write(model, files);
    expect(await findings()).toMatchObject(unknown);
    expect(await findings("--types")).toMatchObject(replaced);
  });

  it("and says what a class computes that the helper does not", async () => {
    await write(made("makeCentered"));
    expect(await findings("--types")).toMatchObject([{ reason: "layer-norm" }]);
  });

  it("and compares the eps that factories are given", async () => {
    const model = attention(made("makeScaled")).replace("1e-6", "1e-5");
    await write(model);
    expect(await findings("--types")).toMatchObject([{ reason: "ambiguous" }]);
  });

  it("in a source on standard input that is no file yet", async () => {
    await write("");
    const path = `${models.path}/other.ts`;
    const { stdout } = await runCommand(["--types", "--stdin", "--stdin-filename", path], {
      color: false,
      ask: () => {},
      progress: undefined,
      input: Readable.from([Buffer.from(attention(made("makeScaled")))]),
    });
    expect(stdout).toContain("applyQkNorm");
  });

  it("for --explain too", async () => {
    await write(made("makeScaled"));
    const { stdout } = await runCommand(["--types", "--explain", `${models.path}/attention.ts`]);
    expect(stdout).toContain("match: ");
    expect(stdout).not.toContain("no match");
  });
});

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
  const together = new Together([known, ...cases.map(([, model]) => model)]);
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
    await write(model, files);
    expect(await findings("--types")).toMatchObject(unknown);
  });
});

describe("--types goes on", () => {
  it("when tsconfig.json is broken", async () => {
    await write(made("makeScaled"), { "tsconfig.json": "{ broken" });
    expect(await findings("--types")).toMatchObject(replaced);
  });

  it("when tsconfig.json asks for what is not there", async () => {
    const compilerOptions = { types: ["nowhere"], lib: ["es1"], target: "es1", paths: { "*": "x" } };
    await write(made("makeScaled"), {
      "tsconfig.json": JSON.stringify({ extends: "./none.json", compilerOptions, files: ["none.ts"] }),
    });
    expect(await findings("--types")).toMatchObject(replaced);
  });

  it("when other files cannot be parsed", async () => {
    await write(made("makeScaled"), { "broken.ts": "class {{ const q = (;", "bytes.ts": "\0\0" });
    expect(await findings("--types")).toMatchObject(replaced);
  });

  it("without a tsconfig.json", async () => {
    await write(made("makeScaled"));
    await rm(`${models.path}/tsconfig.json`);
    expect(await findings("--types")).toMatchObject(replaced);
  });
});

describe("--types in several threads", () => {
  it("gives the report of one", async () => {
    await write(made("makeScaled"), {
      "layer.ts": attention(made("makeCentered")),
      ...Object.fromEntries(
        Array.from({ length: 40 }, (_, i) => [`model${i}.ts`, attention(made("makeScaled"))]),
      ),
    });
    const folder = relative(process.cwd(), models.path);
    const args = ["--types", "--json", folder, "--concurrency"];
    const alone = withoutTime((await runCommand([...args, "1"])).stdout);
    expect(alone).toMatchObject({ summary: { replaced: 41, refused: 1 } });
    expect(withoutTime(inProcess(...args, "2"))).toEqual(alone);
  });

  /** As a process of its own, since threads load TypeScript only in a process that does. */
  function inProcess(...args: readonly string[]): string {
    const cli = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
    const loader = ["--conditions=@qknorm/source", "--import", import.meta.resolve("tsx")];
    return execFileSync(process.execPath, [...loader, cli, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  }

  function withoutTime(report: string): unknown {
    const { summary, ...rest } = JSON.parse(report);
    return { ...rest, summary: { ...summary, ms: 0 } };
  }
});
