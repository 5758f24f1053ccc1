import { examine } from "./doctor.ts";
import { report } from "./doctor-report.ts";

const usage = `usage: qknorm doctor [--json]

Says what this machine can run QK norm on, and why not on the rest: the addon, the instruction sets, OpenBLAS,
the CUDA driver and its devices, NVRTC, the compiled kernels that are kept.
`;

/** What a command line prints, and the status it exits with. */
export interface Outcome {
  readonly out: string;
  readonly err: string;
  /** 0: it was done; 2: it was not understood. */
  readonly status: 0 | 2;
}

/** Runs `qknorm`'s arguments. Prints nothing itself. */
export function run(args: readonly string[]): Outcome {
  if (args.length === 1 && (args[0] === "--help" || args[0] === "-h"))
    return { out: usage, err: "", status: 0 };
  const [command, ...options] = args;
  const unknown = command !== "doctor" ? command : options.find((option) => option !== "--json");
  if (command !== "doctor" || unknown !== undefined) {
    return { out: "", err: `${unknown === undefined ? "" : `unknown: ${unknown}\n`}${usage}`, status: 2 };
  }
  const diagnosis = examine();
  const json = options.includes("--json");
  return { out: json ? `${JSON.stringify(diagnosis, null, 2)}\n` : report(diagnosis), err: "", status: 0 };
}
