import { setQkNormLogger } from "@qknorm/core";
import { openDevice } from "@qknorm/tensor";
import { beforeAll, describe } from "vitest";
import { deviceJoinedSuite } from "./device-joined-suite.ts";

const missing = await openDevice("cuda:0").then(
  () => "",
  (error: Error) => ` (skipped: no GPU to test on: ${error.message})`,
);

describe.skipIf(missing !== "")(`a step in one launch, on a GPU${missing}`, () => {
  beforeAll(async () => {
    setQkNormLogger(null);
    await openDevice("cuda:0");
  });
  deviceJoinedSuite("cuda:0");
});
