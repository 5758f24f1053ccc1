import { describe } from "vitest";
import { planIsRunSuite } from "../../../test/plan-is-run-suite.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";

describe.skipIf(missing !== "")(`plans and runs on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  planIsRunSuite("cuda:0");
});
