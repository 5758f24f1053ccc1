import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const src = fileURLToPath(new URL("../src", import.meta.url));
const rooms = ["layers", "families", "generation"];

const sources = rooms.flatMap((room) =>
  readdirSync(join(src, room), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => join(room, file)),
);

/** Comments may speak of devices. */
const codeOf = (file: string): string =>
  readFileSync(join(src, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");

const forbidden: readonly (readonly [what: string, pattern: RegExp])[] = [
  ["names a device", /["'`](?:cpu|cuda(?::\d+)?|webgpu)["'`]/],
  ["reads the memory of a tensor", /\.data\b|\.memory\b|\.storage\b|toNumbers\(/],
  ["asks what kind of memory it is", /instanceof \w*(?:Memory|Storage|Backend)/],
  ["imports a backend", /from "@qknorm\/(?:native|tensor\/)/],
];

test.each(forbidden)("no layer, family or generation %s", (_, pattern) => {
  expect(sources.length).toBeGreaterThan(10);
  expect(sources.filter((file) => pattern.test(codeOf(file)))).toEqual([]);
});
