import { describe } from "vitest";
import { moeGraphSuite, moeSuite } from "../../../test/moe-suite.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";

describe.skipIf(missing !== "")(`mixtures of experts on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  const small = { experts: 5, choices: 2, hidden: 36, intermediate: 20 };
  moeSuite("cuda:0", {
    dtypes: ["bf16", "f32"],
    sizes: [
      { ...small, tokens: 2 },
      { ...small, tokens: 9 },
    ],
    activations: ["silu", "gelu"],
  });
  moeGraphSuite("cuda:0");
});
