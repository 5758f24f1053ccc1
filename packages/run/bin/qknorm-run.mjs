#!/usr/bin/env node
import { existsSync } from "node:fs";

// Published packages carry dist/; a checkout has only TypeScript, which Node 20 cannot run by itself.
const built = new URL("../dist/run-cli.js", import.meta.url);

if (existsSync(built)) {
  await import(built.href);
} else {
  process.stderr.write("qknorm-run is not built here; run `npm start --` instead\n");
  process.exitCode = 2;
}
