import { setQkNormLogger } from "@qknorm/core";
import { openDevice } from "@qknorm/tensor";
import { beforeAll, describe } from "vitest";
import { deviceFaultsSuite } from "./device-faults-suite.ts";
import { deviceLifeSuite } from "./device-life-suite.ts";
import { twoDevicesSuite } from "./two-devices-suite.ts";

const open = (device: "cuda:0" | "cuda:1") =>
  openDevice(device).then(
    () => "",
    (error: Error) => ` (skipped: ${error.message})`,
  );
const missing = await open("cuda:0");
const alone = await open("cuda:1");

describe.skipIf(missing !== "")(`the life of a model on a GPU${missing}`, () => {
  beforeAll(() => {
    setQkNormLogger(null);
  });
  deviceLifeSuite("cuda:0");
  deviceFaultsSuite("cuda:0");
});

describe.skipIf(alone !== "")(`models on two GPUs${alone}`, () => {
  twoDevicesSuite();
});
