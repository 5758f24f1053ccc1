import { describe } from "vitest";
import { indexFaultsSuite } from "../../../test/index-faults-suite.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";

describe.skipIf(missing !== "")(`indices out of range, on a stand-in driver${missing}`, () => {
  expectCleanDevices({ "own text": 1 });
  indexFaultsSuite("cuda:0");
});
