import { existsSync } from "node:fs";
import { buildTools } from "./build-tools.mjs";

/** What `doctor` can say in a clone before its dependencies are there; and status 1, as nothing runs yet, if something is required. */
export function unprepared(args) {
  const { versions, missing } = buildTools();
  const [major, minor] = process.versions.node.split(".").map(Number);
  const tooOld = major < 20 || (major === 20 && minor < 17);
  const driver = existsSync("/proc/driver/nvidia/version");
  const kernels =
    missing.length === 0
      ? `native kernels, built by ${versions}`
      : `plain TypeScript kernels, 40 to 250 times slower: no ${missing.join(" and no ")} here`;
  const verdict = {
    runs: "Nothing runs yet: this clone is not set up",
    next: tooOld
      ? [`install Node 20.17 or later; this is ${process.version}`, "`npm run setup`"]
      : ["`npm run setup`"],
    afterwards: `it will run on ${kernels}`,
    gpu: driver ? "an NVIDIA driver is loaded; doctor says more after set-up" : "no NVIDIA driver is loaded",
  };
  const { runs, next, afterwards, gpu } = verdict;
  const lines = [runs, ...next.map((step) => `Next: ${step}`), `Then: ${afterwards}`, `GPU: ${gpu}`];
  process.stdout.write(
    `${args.includes("--json") ? JSON.stringify({ verdict }, null, 2) : lines.join("\n")}\n`,
  );
  return args.some((arg) => arg.startsWith("--require")) ? 1 : 0;
}
