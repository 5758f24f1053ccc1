import { examine } from "@qknorm/native";
import { afterEach, beforeAll, describe, expect } from "vitest";
import { liveBytes, openDevice } from "../src/index.ts";
import { fp8CacheSuite } from "./fp8-cache-suite.ts";

const device = "cuda:0";
const cuda = examine().providers.find(({ name }) => name === "cuda");
const missing = cuda?.ready ? "" : ` (skipped: no GPU to test on: ${cuda?.because})`;

describe.skipIf(missing !== "")(`a cache of e4m3 on a GPU${missing}`, () => {
  beforeAll(async () => {
    await openDevice(device);
  });
  afterEach(() => {
    expect(liveBytes(device)).toBe(0);
  });
  fp8CacheSuite(device, { keys: 2000, runs: 12 });
});
