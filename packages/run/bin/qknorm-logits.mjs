#!/usr/bin/env node
import { existsSync } from "node:fs";

// Published packages carry dist/; a checkout has only TypeScript, which Node 20 cannot run by itself.
const built = new URL("../dist/logits/logits-cli.js", import.meta.url);

if (existsSync(built)) {
  await import(built.href);
} else {
  process.stderr.write("qknorm-logits is not built here; run `npm run --silent logits --` instead\n");
  process.exitCode = 2;
}
