import { describe } from "vitest";
import { qkNormRopeFaults } from "../../../test/qk-norm-rope-faults.ts";
import { qkNormRopeSuite } from "../../../test/qk-norm-rope-suite.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";

describe.skipIf(missing !== "")(`the chain on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  qkNormRopeFaults("cuda:0");

  qkNormRopeSuite("cuda:0", "cuda", { runs: 0, norms: "close" });
});
