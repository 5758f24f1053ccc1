#!/usr/bin/env node
import { existsSync } from "node:fs";

// Published packages carry dist/; a checkout has only TypeScript, which Node 20 cannot run by itself.
const built = new URL("../dist/cli.js", import.meta.url);

if (existsSync(built)) {
  await import(built.href);
} else {
  process.stderr.write(
    "qknorm-codemod is not built here; run `pnpm --filter @qknorm/codemods start` instead\n",
  );
  process.exitCode = 2;
}
