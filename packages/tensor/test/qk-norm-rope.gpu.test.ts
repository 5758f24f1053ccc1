import { examine } from "@qknorm/native";
import { afterEach, beforeAll, describe, expect } from "vitest";
import { liveBytes, openDevice } from "../src/index.ts";
import { qkNormRopeFaults } from "./qk-norm-rope-faults.ts";
import { qkNormRopeSuite } from "./qk-norm-rope-suite.ts";

const device = "cuda:0";
const cuda = examine().providers.find(({ name }) => name === "cuda");
const missing = cuda?.ready ? "" : ` (skipped: no GPU to test on: ${cuda?.because})`;

describe.skipIf(missing !== "")(`the chain on a GPU${missing}`, () => {
  beforeAll(async () => {
    await openDevice(device);
  });
  afterEach(() => {
    expect(liveBytes(device)).toBe(0);
  });

  qkNormRopeFaults(device);

  qkNormRopeSuite(device, "cuda", { runs: 40, norms: "bits" });
});
