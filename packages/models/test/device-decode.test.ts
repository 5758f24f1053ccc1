import { setQkNormLogger } from "@qknorm/core";
import { openDevice } from "@qknorm/tensor";
import { beforeAll, describe } from "vitest";
import { missing } from "../../tensor/test/stand-in.ts";
import { deviceDecodeSuite } from "./device-decode-suite.ts";

describe.skipIf(missing !== "")(`a text on a device, on a stand-in driver${missing}`, () => {
  beforeAll(async () => {
    setQkNormLogger(null);
    await openDevice("cuda:0");
  });
  deviceDecodeSuite("cuda:0");
});
