import { describe } from "vitest";
import { detach } from "../../../test/errors.ts";
import { repeatedCallsSuite } from "../../../test/repeated-calls-suite.ts";
import { kernelStatus } from "../../index.ts";

const { reason } = kernelStatus();

describe.skipIf(reason !== null)(`repeated calls on the CPU${reason ?? ""}`, () => {
  repeatedCallsSuite("cpu", (x) => detach(x.data));
});
