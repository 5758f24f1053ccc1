import { examine } from "@qknorm/native";
import { afterEach, describe, expect } from "vitest";
import { liveBytes } from "../src/index.ts";
import { indexFaultsSuite } from "./index-faults-suite.ts";

const device = "cuda:0";
const cuda = examine().providers.find(({ name }) => name === "cuda");
const missing = cuda?.ready ? "" : ` (skipped: no GPU to test on: ${cuda?.because})`;

describe.skipIf(missing !== "")(`indices out of range on a GPU${missing}`, () => {
  afterEach(() => {
    expect(liveBytes(device)).toBe(0);
  });
  indexFaultsSuite(device);
});
