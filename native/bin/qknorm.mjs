#!/usr/bin/env node
import { existsSync } from "node:fs";

// Published packages carry dist/; a checkout has only TypeScript, which Node 20 runs with the workspace's tsx.
const built = new URL("../dist/doctor-cli.js", import.meta.url);

const { out, err, status } = (await load()).run(process.argv.slice(2));
process.stdout.write(out);
process.stderr.write(err);
process.exitCode = status;

async function load() {
  if (existsSync(built)) return import(built.href);
  const { register } = await import("tsx/esm/api");
  register();
  return import(new URL("../src/doctor-cli.ts", import.meta.url).href);
}
