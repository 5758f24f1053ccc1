import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, onTestFinished } from "vitest";
import { compilersIn, pathOf, readCubin, writeCubin } from "../src/cuda/cubin-store.ts";

const folder = mkdtempSync(join(tmpdir(), "qknorm-killed-"));
afterAll(() => rmSync(folder, { recursive: true }));

const writer = join(import.meta.dirname, "cubin-writer.mjs");
const store = new URL("../src/cuda/cubin-store.ts", import.meta.url).href;

/** A writer that has begun. It ends with the pipe that it reads. */
async function startWriter() {
  const args = ["--conditions=@qknorm/source", "--import", import.meta.resolve("tsx"), writer, folder, store];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return child;
}

/** Ends a writer some milliseconds after it began. */
async function endWriter(signal: NodeJS.Signals, after: number): Promise<void> {
  const child = await startWriter();
  await new Promise((resolve) => setTimeout(resolve, after));
  child.kill(signal);
  await new Promise((resolve) => child.once("exit", resolve));
}

it.each([
  ["SIGTERM", 20],
  ["SIGKILL", 45],
] as const)("what a process wrote that was ended by %s is whole, or not there", async (signal, after) => {
  await endWriter(signal, after);
  const keys = Array.from({ length: 8 }, (_, i) => `kernel${i}`);
  const stored = keys.filter((key) => compilersIn(folder, key).length > 0);
  expect(stored.length).toBeGreaterThan(0);
  for (const key of stored) {
    const cubin = readCubin(folder, { key, compiler: "12.8" });
    if (typeof cubin === "string") throw new Error(`${key} is ${cubin}`);
    expect(cubin.length).toBe(1 << 20);
    expect(new Set(cubin).size).toBe(1);
  }
  // What was being written bears no name that anybody reads.
  expect(readdirSync(folder).filter((name) => name.endsWith(".cubin"))).toHaveLength(stored.length);
});

it("such a process ends with the one that began it", async () => {
  const child = await startWriter();
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  child.stdin.destroy();
  expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(0);
});

it("what such a process left is taken away an hour later by whoever writes next, and nothing else is", () => {
  const [stale, fresh, other] = ["a.cubin.17.0123abcd.tmp", "a.cubin.18.0123abcd.tmp", "notes.tmp"];
  const name = { key: "next", compiler: "12.8" };
  writeCubin(folder, name, new Uint8Array(8));
  const now = statSync(pathOf(folder, name)).mtimeMs / 1000;
  for (const [file, age] of [
    [stale, 3700],
    [fresh, 3500],
    [other, 1e6],
  ] as const) {
    writeFileSync(join(folder, file), "half");
    utimesSync(join(folder, file), now - age, now - age);
  }
  writeCubin(folder, name, new Uint8Array(8));
  const left = readdirSync(folder);
  expect(left).not.toContain(stale);
  expect(left).toEqual(expect.arrayContaining([fresh, other]));
});
