// Deno without --allow-read throws where a file is asked for, which Node never does.
import { expect, it, vi } from "vitest";
import { addonPaths } from "../src/addon-places.ts";

vi.mock("node:fs", async (original) => ({
  ...(await original<object>()),
  existsSync: () => {
    throw new Error('Requires read access to "native/build"');
  },
}));

it("an addon that nobody may look for is none", () => {
  expect(addonPaths().filter((path) => path.includes("build"))).toEqual([]);
});
