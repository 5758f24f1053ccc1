// What is told to who installed the packages: this checkout is another situation, so that its place is stood in for.
import { describe, expect, it, vi } from "vitest";
import { isPublished, packageOf, thisPlatform } from "../src/addon-places.ts";
import { reasonForNone, remedyFor } from "../src/remedies.ts";

vi.mock("../src/home.ts", async (original) => ({
  ...(await original<object>()),
  home: "node_modules/@qknorm/native",
  situation: () => "installed",
}));

const name = packageOf(thisPlatform());

describe.skipIf(!isPublished(thisPlatform()))("packages that were installed without their addon", () => {
  it("are told which package to install", () => {
    expect(reasonForNone()).toBe(`${name} is not installed beside node_modules/@qknorm/native`);
    expect(remedyFor([])).toMatch(
      new RegExp(`^\`npm install ${name}@\\d+\\.\\d+\\.\\d+\`: it is an optional dependency`),
    );
  });

  it("are told how to build one where that which is there cannot be used", () => {
    expect(remedyFor(["it needs a newer libstdc++"])).toMatch(
      /^build it, with a C\+\+20 compiler and CMake: `npm install /,
    );
  });
});
