import { describe } from "vitest";
import { tensorCoreSuite } from "../gpu/tests/tensor-core-suite.ts";
import { Jit } from "../src/index.ts";
import { expectCleanDriver } from "./cuda-case.ts";
import { missing } from "./cuda-fake.ts";

expectCleanDriver();

describe.skipIf(missing !== "")(`tensor cores on the stand-in device${missing}`, () => {
  tensorCoreSuite(new Jit({ folder: null, seeds: [], shipped: null }));
});
