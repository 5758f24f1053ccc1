import { examine } from "@qknorm/native";
import { afterEach, beforeAll, describe, expect } from "vitest";
import { liveBytes, openDevice } from "../src/index.ts";
import { elementwiseSuite } from "./elementwise-suite.ts";
import { normSuite } from "./norm-suite.ts";
import { recurrenceSuite } from "./recurrence-suite.ts";
import { stridedSuite } from "./strided-suite.ts";

const device = "cuda:0";
const cuda = examine().providers.find(({ name }) => name === "cuda");
const missing = cuda?.ready ? "" : ` (skipped: no GPU to test on: ${cuda?.because})`;

describe.skipIf(missing !== "")(`ops on a GPU${missing}`, () => {
  beforeAll(async () => {
    await openDevice(device);
  });
  afterEach(() => {
    expect(liveBytes(device)).toBe(0);
  });
  elementwiseSuite(device);
  stridedSuite(device);
  normSuite(device);
  recurrenceSuite(device);
});
