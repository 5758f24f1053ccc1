// The functions in front of the addon's kernels for the CPU, called with what is no call of them.
import { isQkNormError } from "@qknorm/core";
import { describe, expect, it } from "vitest";
import * as cpu from "../src/cpu.ts";
import { notCalls } from "./not-calls.ts";
import { missing } from "./qk-norm-case.ts";

const others = [...notCalls, 0];
const taken = new Set(["availableIsas", "blasInfo", "cpuIsa", "loadBinding", "threadCount"]);
const functions = Object.entries(cpu).filter(
  ([name, value]) => typeof value === "function" && !taken.has(name),
);

describe.skipIf(missing !== "")(`no call${missing}`, () => {
  it.each(functions)("of %s is refused by an error with a code", (name, call) => {
    for (const other of others) {
      if (name === "setThreadCount" && other === 0) continue;
      let end: unknown = "taken";
      try {
        (call as (value: unknown) => unknown)(other);
      } catch (error) {
        end = isQkNormError(error) ? error.code : error;
      }
      expect(end).toMatch(/^ERR_/);
    }
  });
});
