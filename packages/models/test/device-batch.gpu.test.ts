import { setQkNormLogger } from "@qknorm/core";
import { openDevice } from "@qknorm/tensor";
import { beforeAll, describe } from "vitest";
import { deviceBatchSuite } from "./device-batch-suite.ts";

const missing = await openDevice("cuda:0").then(
  () => "",
  (error: Error) => ` (skipped: no GPU to test on: ${error.message})`,
);

describe.skipIf(missing !== "")(`a batch on a GPU${missing}`, () => {
  beforeAll(() => {
    setQkNormLogger(null);
  });
  deviceBatchSuite("cuda:0");
});
