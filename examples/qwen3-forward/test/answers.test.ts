import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

it("answers some sums when nothing is asked", () => {
  const main = join(import.meta.dirname, "../src/main.ts");
  const { status, stdout } = spawnSync(
    process.execPath,
    ["--conditions=@qknorm/source", "--import", import.meta.resolve("tsx"), main],
    { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } },
  );
  expect(stdout).toBe("> 127+456=\n583\n> 9999+1=\n10000\n> 86+4713=\n4799\n> 5208+3791=\n8999\n");
  expect(status).toBe(0);
});
