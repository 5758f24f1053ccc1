import { run } from "@qknorm/run";
import { sumsCheckpoint } from "./sums.ts";

process.exitCode = await run(process.argv.slice(2), {
  name: "npm start --",
  fallback: {
    model: sumsCheckpoint,
    shownAs: "checkpoints/qwen3-sums",
    prompts: ["127+456=", "9999+1=", "86+4713=", "5208+3791="],
  },
});
