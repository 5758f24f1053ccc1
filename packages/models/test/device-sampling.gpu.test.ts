import { setQkNormLogger } from "@qknorm/core";
import { openDevice } from "@qknorm/tensor";
import { beforeAll, describe } from "vitest";
import { deviceSamplingSuite } from "./device-sampling-suite.ts";

const missing = await openDevice("cuda:0").then(
  () => "",
  (error: Error) => ` (skipped: no GPU to test on: ${error.message})`,
);

describe.skipIf(missing !== "")(`texts that are drawn on a device, on a GPU${missing}`, () => {
  beforeAll(async () => {
    setQkNormLogger(null);
    await openDevice("cuda:0");
  });
  deviceSamplingSuite("cuda:0", 40);
});
