#!/usr/bin/env node
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

// Published packages carry dist/. A checkout has TypeScript, which Node 20 runs with the workspace's tsx; what was built in it for
// packing may be older.
const built = new URL("../dist/doctor/cli.js", import.meta.url);
const source = new URL("../src/doctor/cli.ts", import.meta.url);
const inCheckout = existsSync(new URL("../tsconfig.json", import.meta.url));
const args = process.argv.slice(2);

if (existsSync(built) && !inCheckout) {
  const { run } = await import(built.href);
  const { out, err, status } = run(args);
  process.stdout.write(out);
  process.stderr.write(err);
  process.exitCode = status;
} else {
  const runner = findRunner();
  process.exitCode = runner === null ? await beforeSetUp() : runSource(runner);
}

function findRunner() {
  try {
    return import.meta.resolve("tsx");
  } catch {
    return null;
  }
}

async function beforeSetUp() {
  const { unprepared } = await import("./unprepared.mjs");
  return unprepared(args);
}

function runSource(runner) {
  const flags = ["--conditions=@qknorm/source", "--import", runner];
  const program = `import { run } from ${JSON.stringify(source.href)};
    const { out, err, status } = run(${JSON.stringify(args)});
    process.stdout.write(out);
    process.stderr.write(err);
    process.exitCode = status;`;
  const child = [...flags, "--input-type=module", "--eval", program];
  const { status } = spawnSync(process.execPath, child, {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    stdio: "inherit",
  });
  return status ?? 1;
}
