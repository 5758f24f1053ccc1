// npm run accuracy: all 1,000 held-out sums through every path, against transformers' own answers.
import { setUp } from "./setup.mjs";
import { runTypeScript } from "./typescript.mjs";

setUp();
process.exitCode = await runTypeScript("examples/qwen3-forward/src/accuracy.ts", process.argv.slice(2));
