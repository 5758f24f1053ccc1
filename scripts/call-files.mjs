// npm run call-files [-- cuda:0]: the TypeScript files that one call of applyQkNorm goes through, as V8 counts them.
// Prints for the first call of its kind and for one that repeats it. docs/one-call.md tells the way in words.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root, setUp } from "./setup.mjs";

setUp();
const flags = ["--conditions=@qknorm/source", "--import", "tsx"];
const { status } = spawnSync(
  process.execPath,
  [...flags, join(root, "packages/tensor/test/call-files.ts"), ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit" },
);
process.exitCode = status ?? 1;
