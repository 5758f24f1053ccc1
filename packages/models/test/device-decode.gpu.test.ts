import { setQkNormLogger } from "@qknorm/core";
import { openDevice } from "@qknorm/tensor";
import { beforeAll, describe } from "vitest";
import { deviceDecodeSuite } from "./device-decode-suite.ts";

const missing = await openDevice("cuda:0").then(
  () => "",
  (error: Error) => ` (skipped: no GPU to test on: ${error.message})`,
);

describe.skipIf(missing !== "")(`a text on a device, on a GPU${missing}`, () => {
  beforeAll(async () => {
    setQkNormLogger(null);
    await openDevice("cuda:0");
  });
  deviceDecodeSuite("cuda:0");
});
