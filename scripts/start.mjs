// npm start: sets up what is missing, then answers with the Qwen3 example. Arguments after -- go to the example.
import { setUp } from "./setup.mjs";
import { runTypeScript } from "./typescript.mjs";

const missing = setUp();
const env = missing === null ? process.env : { ...process.env, QKNORM_NATIVE_MISSING: missing };
process.exitCode = await runTypeScript("examples/qwen3-forward/src/main.ts", process.argv.slice(2), { env });
