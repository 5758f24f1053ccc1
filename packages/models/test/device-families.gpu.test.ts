import { setQkNormLogger } from "@qknorm/core";
import { openDevice } from "@qknorm/tensor";
import { beforeAll, describe } from "vitest";
import { deviceFamiliesSuite } from "./device-families-suite.ts";

const missing = await openDevice("cuda:0").then(
  () => "",
  (error: Error) => ` (skipped: no GPU to test on: ${error.message})`,
);

describe.skipIf(missing !== "")(`families on a GPU${missing}`, () => {
  beforeAll(() => {
    setQkNormLogger(null);
  });
  deviceFamiliesSuite("cuda:0", { tokens: 16 });
});
