import { examine } from "@qknorm/native";
import { afterEach, beforeAll, describe, expect } from "vitest";
import { liveBytes, openDevice } from "../src/index.ts";
import { sampleSuite } from "./sample-suite.ts";

const device = "cuda:0";
const cuda = examine().providers.find(({ name }) => name === "cuda");
const missing = cuda?.ready ? "" : ` (skipped: no GPU to test on: ${cuda?.because})`;

describe.skipIf(missing !== "")(`draws of tokens on a GPU${missing}`, () => {
  beforeAll(async () => {
    await openDevice(device);
  });
  afterEach(() => {
    expect(liveBytes(device)).toBe(0);
  });
  sampleSuite(device, { width: 40_000, runs: 40 });
});
