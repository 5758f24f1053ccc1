import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { missing } from "../test/stand-in.ts";
import { kernelStatus } from "./index.ts";

const native = kernelStatus().reason;
const devices = [
  ["cpu", native === null ? "" : ` (skipped: ${native})`],
  ["cuda:0", missing],
] as const;

/** What the program prints for a device. */
function heapPerCall(device: string): number {
  const program = fileURLToPath(new URL("../test/heap-per-call.ts", import.meta.url));
  const flags = ["--expose-gc", "--conditions=@qknorm/source", "--import", "tsx"];
  const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, program, device], {
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  return Number(stdout);
}

describe.each(devices)("a repeated call on %s", (device, skipped) => {
  test.skipIf(skipped !== "")(`allocates the pair it returns and nothing else${skipped}`, () => {
    const bytes = heapPerCall(device);
    expect(bytes).toBeGreaterThan(16);
    expect(bytes).toBeLessThan(80); // a pair is 64: an array of two, and its elements
  });
});
