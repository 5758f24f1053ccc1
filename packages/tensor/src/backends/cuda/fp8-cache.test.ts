import { describe } from "vitest";
import { fp8CacheSuite } from "../../../test/fp8-cache-suite.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";

describe.skipIf(missing !== "")(`a cache of e4m3 on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  fp8CacheSuite("cuda:0", { keys: 160, runs: 5 });
});
