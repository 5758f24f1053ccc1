// What only a GPU shows by its results, and not each time: that a kernel which may begin early waits before it reads.
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

const kernels = new URL("../kernels/", import.meta.url);
const texts = readdirSync(kernels)
  .filter((name) => name.endsWith(".cu"))
  .map((name) => [name, readFileSync(new URL(name, kernels), "utf8").replaceAll(/\/\/.*/g, "")] as const)
  .filter(([, text]) => text.includes("allow_successor();"));

it("every kernel that lets the next one begin waits for the one before it", () => {
  expect(texts.length).toBeGreaterThan(20);
  expect(texts.filter(([, text]) => !text.includes("wait_for_predecessor();")).map(([name]) => name)).toEqual(
    [],
  );
});
