import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runCommand } from "../src/command/command.ts";
import { attention, CheckedProject, made, replaced } from "./checked-types-project.ts";

const project = new CheckedProject();

describe("--types goes on", () => {
  it("when tsconfig.json is broken", async () => {
    await project.write(made("makeScaled"), { "tsconfig.json": "{ broken" });
    expect(await project.findings("--types")).toMatchObject(replaced);
  });

  it("when tsconfig.json asks for what is not there", async () => {
    const compilerOptions = { types: ["nowhere"], lib: ["es1"], target: "es1", paths: { "*": "x" } };
    await project.write(made("makeScaled"), {
      "tsconfig.json": JSON.stringify({ extends: "./none.json", compilerOptions, files: ["none.ts"] }),
    });
    expect(await project.findings("--types")).toMatchObject(replaced);
  });

  it("when other files cannot be parsed", async () => {
    await project.write(made("makeScaled"), { "broken.ts": "class {{ const q = (;", "bytes.ts": "\0\0" });
    expect(await project.findings("--types")).toMatchObject(replaced);
  });

  it("without a tsconfig.json", async () => {
    await project.write(made("makeScaled"));
    await rm(`${project.folder.path}/tsconfig.json`);
    expect(await project.findings("--types")).toMatchObject(replaced);
  });
});

describe("--types in several threads", () => {
  it("gives the report of one", async () => {
    await project.write(made("makeScaled"), {
      "layer.ts": attention(made("makeCentered")),
      ...Object.fromEntries(
        Array.from({ length: 40 }, (_, i) => [`model${i}.ts`, attention(made("makeScaled"))]),
      ),
    });
    const folder = relative(process.cwd(), project.folder.path);
    const args = ["--types", "--json", folder, "--concurrency"];
    const alone = withoutTime((await runCommand([...args, "1"])).stdout);
    expect(alone).toMatchObject({ summary: { replaced: 41, refused: 1 } });
    expect(withoutTime(inProcess(...args, "2"))).toEqual(alone);
  });

  /** As a process of its own, since threads load TypeScript only in a process that does. */
  function inProcess(...args: readonly string[]): string {
    const cli = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
    const loader = ["--conditions=@qknorm/source", "--import", import.meta.resolve("tsx")];
    return execFileSync(process.execPath, [...loader, cli, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  }

  function withoutTime(report: string): unknown {
    const { summary, ...rest } = JSON.parse(report);
    return { ...rest, summary: { ...summary, ms: 0 } };
  }
});
