import { examine } from "@qknorm/native";
import { afterEach, describe, expect } from "vitest";
import { liveBytes } from "../src/index.ts";
import { qkNormSuite } from "./qk-norm-suite.ts";

const cuda = examine().providers.find(({ name }) => name === "cuda");
const missing = cuda?.ready ? "" : ` (skipped: no GPU to test on: ${cuda?.because})`;

describe.skipIf(missing !== "")(`QK norm on a GPU${missing}`, () => {
  afterEach(() => {
    expect(liveBytes("cuda:0")).toBe(0);
  });

  qkNormSuite("cuda:0", "cuda");
});
