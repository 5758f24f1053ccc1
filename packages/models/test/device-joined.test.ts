import { setQkNormLogger } from "@qknorm/core";
import { beforeAll, describe } from "vitest";
import { expectCleanDevices, missing } from "../../tensor/test/stand-in.ts";
import { deviceJoinedSuite } from "./device-joined-suite.ts";

describe.skipIf(missing !== "")(`a step in one launch, on a stand-in driver${missing}`, () => {
  // All blocks run at the same time, so few that this is quick.
  expectCleanDevices({ multiprocessors: 5, order: 3 });
  beforeAll(() => {
    setQkNormLogger(null);
  });
  deviceJoinedSuite("cuda:0");
});
