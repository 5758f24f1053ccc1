import { describe } from "vitest";
import { qkNormSuite } from "../../../test/qk-norm-suite.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";

describe.skipIf(missing !== "")(`QK norm on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  qkNormSuite("cuda:0", "cuda");
});
