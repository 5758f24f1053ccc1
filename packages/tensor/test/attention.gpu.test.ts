import { examine } from "@qknorm/native";
import { afterEach, beforeAll, describe, expect } from "vitest";
import { liveBytes, openDevice } from "../src/index.ts";
import { attentionSuite } from "./attention-suite.ts";
import { writeCacheSuite } from "./write-cache-suite.ts";

const device = "cuda:0";
const cuda = examine().providers.find(({ name }) => name === "cuda");
const missing = cuda?.ready ? "" : ` (skipped: no GPU to test on: ${cuda?.because})`;

describe.skipIf(missing !== "")(`attention on a GPU${missing}`, () => {
  beforeAll(async () => {
    await openDevice(device);
  });
  afterEach(() => {
    expect(liveBytes(device)).toBe(0);
  });
  attentionSuite(device, { keys: 3000, runs: 12 });
  writeCacheSuite(device, 12);
});
