import { writeFileSync } from "node:fs";
import type { NormRounding } from "@qknorm/core";

/** The middle of several turns, and how far they lie apart. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly turns: number;
}

/** How a model's QK norm and what follows it run. */
export type Path = "fallback" | "fused" | "chain";

export interface DecodeRow {
  readonly model: string;
  readonly batch: number;
  readonly path: Path;
  /** Tokens before the first and the last step. */
  readonly context: readonly [number, number];
  /** Microseconds of a step, all sequences of the batch. */
  readonly stepUs: Spread;
  /** Microseconds of the host for a step that it does not wait for. */
  readonly hostUs?: number;
  /** Steps queued one after the other, nothing read between; absent where every token was read. */
  readonly queued?: true;
}

/** Decoding with tokens drawn on the device, beside the likeliest ones, in one run. */
export interface SampledRow {
  readonly model: string;
  readonly batch: number;
  /** `penalized`: draws that depend on what each text has said. */
  readonly drawn: "likeliest" | "drawn" | "penalized";
  readonly context: readonly [number, number];
  /** Microseconds of a step, all sequences of the batch. */
  readonly stepUs: Spread;
}

/** Decoding one text by each rounding, in one run. */
export interface RoundedRow {
  readonly model: string;
  readonly rounding: NormRounding;
  /** Where they lie: in a cache of the text's own, or in pages of a batch that has no other text. */
  readonly keys: "together" | "pages";
  readonly context: readonly [number, number];
  readonly stepUs: Spread;
}

export interface PrefillRow {
  readonly model: string;
  readonly tokens: number;
  readonly path: Path;
  readonly ms: Spread;
}

/** What the host does for a token of a text whose graph is replayed. */
export interface HostRow {
  readonly model: string;
  readonly batch: number;
  /** Microseconds: until the token is there, and in the driver that queues the graph. */
  readonly waitUs: number;
  readonly replayUs: number;
  /** In TypeScript. */
  readonly ownUs: Spread;
}

/** What calls of one kind take in a decode step: launched by themselves, again and again, on the weights of all layers. */
export interface CostRow {
  readonly model: string;
  readonly path: Path;
  /** The op and the shape of its result. */
  readonly op: string;
  /** Texts of the step. */
  readonly batch: number;
  /** In a step. */
  readonly calls: number;
  /** Of all of them together. */
  readonly us: number;
  /** Weights that they read; 0 for ops without. */
  readonly weightBytes: number;
}

/** transformers on the same machine, in the same run. */
export interface TorchRow {
  readonly model: string;
  readonly what: "decode" | "prefill";
  readonly batch: number;
  /** A step of the compiled decode, or a prefill of so many tokens. */
  readonly tokens: number;
  readonly us: Spread;
}

export interface LogitsRow {
  readonly what: string;
  readonly positions: number;
  readonly [figure: string]: number | string;
}

/** What native/gpu/results/h200-e2e.json holds. */
export interface EndToEndResults {
  device: string;
  readonly date: string;
  /** The code that was measured. */
  readonly commit: string;
  /** What is to be said of the rows: where some are of other runs, or of what the code has left since. */
  readonly runs?: string;
  versions: Record<string, string>;
  /** Of our models: `once`, as SDPA beside them. */
  readonly rounding: NormRounding;
  /** Bytes read and written by a copy, in 1e12 per second; 0 where it was not measured. */
  copyTBs: number;
  readonly decode: DecodeRow[];
  readonly sampled: SampledRow[];
  readonly rounded: RoundedRow[];
  readonly prefill: PrefillRow[];
  readonly costs: CostRow[];
  readonly host: HostRow[];
  readonly torch: TorchRow[];
  readonly logits: LogitsRow[];
  /** From the start of a process to the first token, model folder on the local disk. */
  readonly firstToken: { readonly model: string; readonly ms: Spread }[];
  /** Parts that did not end, and why. */
  readonly failed: { readonly part: string; readonly because: string }[];
}

/** What a part found, to be added to the results. */
export type Found = Partial<Pick<EndToEndResults, "device" | "copyTBs" | "versions">> & {
  readonly [List in
    | "decode"
    | "sampled"
    | "rounded"
    | "prefill"
    | "costs"
    | "host"
    | "torch"
    | "logits"
    | "firstToken"]?: EndToEndResults[List];
};

export function addFound(results: EndToEndResults, found: Found): void {
  results.device = found.device ?? results.device;
  results.copyTBs = found.copyTBs ?? results.copyTBs;
  Object.assign(results.versions, found.versions);
  for (const list of [
    "decode",
    "sampled",
    "rounded",
    "prefill",
    "costs",
    "host",
    "torch",
    "logits",
    "firstToken",
  ] as const) {
    (results[list] as unknown[]).push(...(found[list] ?? []));
  }
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const [median, least, most] = [sorted[sorted.length >> 1], sorted[0], sorted.at(-1)].map((value) =>
    Number((value as number).toPrecision(5)),
  ) as [number, number, number];
  return { median, least, most, turns: sorted.length };
}

/** Writes the file anew, one row a line: a run that is cut off has what it measured until then. */
export function writeResults(file: string, results: EndToEndResults): void {
  const lines = Object.entries(results).map(([key, value]) => {
    const list = Array.isArray(value) && value.length > 0;
    const text = list
      ? `[\n${value.map((row) => `    ${JSON.stringify(row)}`).join(",\n")}\n  ]`
      : JSON.stringify(value);
    return `  ${JSON.stringify(key)}: ${text}`;
  });
  writeFileSync(file, `{\n${lines.join(",\n")}\n}\n`);
}
