import { afterEach, describe } from "vitest";
import { expectNothingLive, jit, missing } from "./gpu.ts";
import { tensorCoreSuite } from "./tensor-core-suite.ts";

describe.skipIf(missing !== "")(`tensor cores on a GPU${missing}`, () => {
  afterEach(expectNothingLive);
  tensorCoreSuite(jit);
});
