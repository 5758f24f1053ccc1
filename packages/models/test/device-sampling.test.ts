import { setQkNormLogger } from "@qknorm/core";
import { openDevice } from "@qknorm/tensor";
import { beforeAll, describe } from "vitest";
import { missing } from "../../tensor/test/stand-in.ts";
import { deviceSamplingSuite } from "./device-sampling-suite.ts";

describe.skipIf(missing !== "")(`texts that are drawn on a device, on a stand-in driver${missing}`, () => {
  beforeAll(async () => {
    setQkNormLogger(null);
    await openDevice("cuda:0");
  });
  deviceSamplingSuite("cuda:0", 3);
});
