import { describe } from "vitest";
import { elementwiseSuite } from "../../../test/elementwise-suite.ts";
import { recurrenceSuite } from "../../../test/recurrence-suite.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";
import { stridedSuite } from "../../../test/strided-suite.ts";

describe.skipIf(missing !== "")(`ops on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  elementwiseSuite("cuda:0");
  stridedSuite("cuda:0");
  recurrenceSuite("cuda:0");
});
