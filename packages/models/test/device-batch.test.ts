import { setQkNormLogger } from "@qknorm/core";
import { openDevice } from "@qknorm/tensor";
import { beforeAll, describe } from "vitest";
import { missing } from "../../tensor/test/stand-in.ts";
import { deviceBatchSuite } from "./device-batch-suite.ts";

describe.skipIf(missing !== "")(`a batch on a device, on a stand-in driver${missing}`, () => {
  beforeAll(async () => {
    setQkNormLogger(null);
    await openDevice("cuda:0");
  });
  deviceBatchSuite("cuda:0");
});
