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
  for (const sum of ["127+456=583", "9999+1=10000", "86+4713=4799", "5208+3791=8999"])
    expect(stdout).toContain(sum);
  expect(status).toBe(0);
});
