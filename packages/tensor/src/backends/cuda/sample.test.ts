import { describe } from "vitest";
import { sampleSuite } from "../../../test/sample-suite.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";

describe.skipIf(missing !== "")(`draws of tokens on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  sampleSuite("cuda:0", { width: 300, runs: 6 });
});
