// npm run endure [minutes]: see packages/models/bench/endurance.bench.ts.
import { setUp } from "./setup.mjs";
import { runTypeScript } from "./typescript.mjs";

const reason = setUp();
if (reason !== null) throw new Error(`no native addon to endure with: ${reason}`);
const options = { env: { ...process.env, NODE_OPTIONS: "--expose-gc" } };
process.exitCode = await runTypeScript(
  "packages/models/bench/endurance.bench.ts",
  process.argv.slice(2),
  options,
);
