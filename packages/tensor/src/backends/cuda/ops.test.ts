import { beforeEach, describe } from "vitest";
import { elementwiseSuite } from "../../../test/elementwise-suite.ts";
import { normSuite } from "../../../test/norm-suite.ts";
import { recurrenceSuite } from "../../../test/recurrence-suite.ts";
import { expectCleanDevices, missing, scripted } from "../../../test/stand-in.ts";
import { stridedSuite } from "../../../test/strided-suite.ts";

describe.skipIf(missing !== "")(`ops on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  // The norms run by their own text here, and not as the loops that stand for them elsewhere.
  beforeEach(() => scripted({ "own text": 1 }));
  elementwiseSuite("cuda:0");
  stridedSuite("cuda:0");
  normSuite("cuda:0");
  recurrenceSuite("cuda:0");
});
