import { type Diagnosis, examine } from "./diagnosis.ts";
import type { Provider } from "./findings.ts";
import { report } from "./report.ts";
import { stepsTo } from "./verdict.ts";

const usage = `usage: qknorm doctor [--verbose | --json] [--require cuda|native]

Says what this machine can run QK norm on, how fast, and what to do next; then which packages, instruction sets,
drivers, devices and compilers it found.

  --verbose   each path too that was tried
  --json      all of it, for a program
  --require   exit with 1 unless kernels on a GPU (cuda), or native ones on the CPU (native), are ready
`;

/** What `--require` may ask for, and the provider that it asks of. */
const requirable = { cuda: "cuda", native: "cpu-native" } as const satisfies Record<string, Provider["name"]>;

type Requirable = keyof typeof requirable;

/** What a command line prints, and the status it exits with. */
export interface Outcome {
  readonly out: string;
  readonly err: string;
  /** 0: it was done; 1: what was required is not ready; 2: it was not understood. */
  readonly status: 0 | 1 | 2;
}

interface Wanted {
  readonly format: "short" | "verbose" | "json";
  readonly required: readonly Requirable[];
}

/** Runs `qknorm`'s arguments. Prints nothing itself. */
export function run(args: readonly string[]): Outcome {
  if (args.includes("--help") || args.includes("-h")) return { out: usage, err: "", status: 0 };
  const wanted = understood(args);
  if (typeof wanted === "string") return { out: "", err: `${wanted}${usage}`, status: 2 };
  const diagnosis = examine();
  const missing = wanted.required.filter((name) => !providerOf(diagnosis, name)?.ready);
  const steps = missing.flatMap((name) => stepsTo(requirable[name], diagnosis));
  const out =
    wanted.format === "json"
      ? `${JSON.stringify(diagnosis, null, 2)}\n`
      : report(diagnosis, wanted.format, steps);
  const err = missing.map((name) => lacking(diagnosis, name)).join("");
  return { out, err, status: missing.length === 0 ? 0 : 1 };
}

/** What the arguments ask for, or in a line what is wrong with them. */
function understood([command, ...options]: readonly string[]): Wanted | string {
  if (command !== "doctor") return command === undefined ? "" : `unknown: ${command}\n`;
  const required: Requirable[] = [];
  const formats = new Set<Wanted["format"]>();
  for (let i = 0; i < options.length; i++) {
    const [name, inline] = (options[i] as string).split(/=(.*)/s);
    if (name === "--require") {
      const value = inline ?? options[++i];
      if (value !== "cuda" && value !== "native") {
        return `--require takes cuda or native, got ${value ?? "nothing"}\n`;
      }
      required.push(value);
    } else if (options[i] === "--json" || options[i] === "--verbose") {
      formats.add(options[i] === "--json" ? "json" : "verbose");
    } else return `unknown: ${options[i]}\n`;
  }
  if (formats.size > 1) return "--json has all that --verbose has: give one of them\n";
  const [format = "short"] = formats;
  return { format, required };
}

function lacking(diagnosis: Diagnosis, name: Requirable): string {
  const next = stepsTo(requirable[name], diagnosis).map((step) => `; next: ${step}`);
  return `${name} is required and not ready: ${providerOf(diagnosis, name)?.because}${next.join("")}\n`;
}

function providerOf({ providers }: Diagnosis, name: Requirable): Provider | undefined {
  return providers.find((one) => one.name === requirable[name]);
}
