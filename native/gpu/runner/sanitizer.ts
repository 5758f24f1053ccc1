// compute-sanitizer of the CUDA toolkit, where a machine has it.
import { existsSync } from "node:fs";
import { join } from "node:path";

/** How a program ends in which a tool found something. */
export const foundSomething = 86;

export function findSanitizer(): string | undefined {
  const folders = [
    ...(process.env.PATH ?? "").split(":"),
    ...[process.env.CUDA_HOME, "/usr/local/cuda", "/opt/cuda"].map((home) => `${home}/bin`),
    "/usr/local/cuda/compute-sanitizer",
  ];
  return folders.map((one) => join(one, "compute-sanitizer")).find((path) => existsSync(path));
}
