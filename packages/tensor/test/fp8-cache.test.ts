import { describe } from "vitest";
import { fp8MeaningSuite } from "./fp8-cache-suite.ts";

describe("a cache of e4m3", () => {
  fp8MeaningSuite();
});
