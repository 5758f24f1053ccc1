import { afterEach, expect, test } from "vitest";
import { countingNorm, fakeProvider, rms } from "../test/fake-provider.ts";
import { flat } from "../test/flat-tensor.ts";
import { registerFusedQkNorm } from "./registry.ts";
import { warmUpQkNorm } from "./warm-up.ts";

const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanup.splice(0)) undo();
});

test("a request's provider gets ready what the request needs; nothing runs, and no fallback is warmed", async () => {
  const warmed: unknown[] = [];
  const provider = fakeProvider("fake", { warmUp: async (call) => void warmed.push(call) });
  cleanup.push(registerFusedQkNorm(provider));
  const norm = countingNorm(rms);
  const request = { q: flat([3, 32], 1), k: flat([3, 16], 2), qNorm: norm, kNorm: norm, headDim: 8 };
  expect(await warmUpQkNorm(request)).toMatchObject({ path: "fused", provider: "fake" });
  expect(warmed).toMatchObject([{ q: request.q, k: request.k, qSpec: rms, kSpec: rms }]);
  await warmUpQkNorm({ ...request, options: { path: "fallback" } });
  await warmUpQkNorm({ ...request, kNorm: countingNorm() });
  expect(warmed).toHaveLength(1);
  expect([provider.calls, norm.seen]).toEqual([[], []]);
});

test("what fails while a provider gets ready is said by the plan, not thrown", async () => {
  const provider = fakeProvider("fake", {
    warmUp: () => Promise.reject(new Error("no compiler")),
    prepare: () => [{ code: "kernel", detail: "no compiler" }],
  });
  cleanup.push(registerFusedQkNorm(provider));
  const norm = countingNorm(rms);
  const request = { q: flat([3, 32], 1), k: flat([3, 16], 2), qNorm: norm, kNorm: norm, headDim: 8 };
  expect(await warmUpQkNorm(request)).toMatchObject({
    path: "fallback",
    reasons: [{ code: "kernel", provider: "fake" }],
  });
});
