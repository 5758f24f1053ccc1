// npm run --silent logits -- --model DIR --ids 5,17,9: a model's logits as one JSON object.
import { setUp } from "./setup.mjs";
import { runTypeScript } from "./typescript.mjs";

setUp();
process.exitCode = await runTypeScript("packages/run/src/logits/logits-cli.ts", process.argv.slice(2));
