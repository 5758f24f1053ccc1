import { afterEach, beforeEach, describe } from "vitest";
import { loadNativeKernels } from "#cpu-native";
import { qkNormRopeFaults } from "../../../test/qk-norm-rope-faults.ts";
import { qkNormRopeSuite } from "../../../test/qk-norm-rope-suite.ts";
import { type KernelChoice, useKernels } from "../../index.ts";

const choices: KernelChoice[] =
  loadNativeKernels().reason === null ? ["typescript", "native"] : ["typescript"];

describe.each(choices)("the chain with %s kernels", (choice) => {
  let former: KernelChoice = "auto";
  beforeEach(() => {
    former = useKernels(choice);
  });
  afterEach(() => {
    useKernels(former);
  });

  qkNormRopeFaults("cpu");

  qkNormRopeSuite("cpu", `cpu-${choice}`, { runs: 200, norms: "bits" });
});
