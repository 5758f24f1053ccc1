import { afterEach, beforeEach, describe } from "vitest";
import { planIsRunSuite } from "../../../test/plan-is-run-suite.ts";
import { type KernelChoice, kernelStatus, useKernels } from "../../index.ts";

const { reason } = kernelStatus();

describe.each<KernelChoice>(["typescript", "native"])("plans and runs with %s kernels", (choice) => {
  describe.skipIf(choice === "native" && reason !== null)(reason ?? "loaded", () => {
    let former: KernelChoice = "auto";
    beforeEach(() => {
      former = useKernels(choice);
    });
    afterEach(() => {
      useKernels(former);
    });
    planIsRunSuite("cpu");
  });
});
