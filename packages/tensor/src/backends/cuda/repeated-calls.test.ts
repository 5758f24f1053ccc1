import { describe } from "vitest";
import { repeatedCallsSuite } from "../../../test/repeated-calls-suite.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";

describe.skipIf(missing !== "")(`repeated calls on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  repeatedCallsSuite("cuda:0", (x) => x.dispose());
});
