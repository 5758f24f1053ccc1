import { describe } from "vitest";
import { attentionSuite } from "../../../test/attention-suite.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";
import { writeCacheSuite } from "../../../test/write-cache-suite.ts";

describe.skipIf(missing !== "")(`attention on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  attentionSuite("cuda:0", { keys: 256, runs: 4 });
  writeCacheSuite("cuda:0", 4);
});
