import { expect, test } from "vitest";
import { countingNorm, fakeProvider, rms } from "../test/fake-provider.ts";
import { FakeStream } from "../test/fake-stream.ts";
import { flat } from "../test/flat-tensor.ts";
import { explainQkNorm } from "./explain.ts";
import { planQkNorm, type QkNormPlan } from "./plan.ts";
import { registerFusedQkNorm } from "./registry.ts";
import { capture, withStream } from "./stream.ts";

const norm = countingNorm(rms);
const request = { q: flat([3, 32]), k: flat([3, 16]), qNorm: norm, kNorm: norm, headDim: 8 };

test("a fused plan is one line: who, how, and over what", () => {
  const remove = registerFusedQkNorm(fakeProvider("fake"));
  expect(explainQkNorm(request)).toBe("fused by fake, in place: 3 tokens, 4 query heads and 2 KV heads of 8");
  expect(explainQkNorm({ ...request, options: { allowInplace: false } })).toMatch(
    /^fused by fake, out of place:/,
  );
  remove();
});

test("advice of the provider that runs is a line of its own, and no line where it has none", () => {
  const advice = "run faster";
  const remove = registerFusedQkNorm({ ...fakeProvider("fake"), advice });
  const [first, ...rest] = explainQkNorm(request).split("\n");
  expect(first).toMatch(/^fused by fake, in place: /);
  expect(rest).toEqual(["  run faster"]);
  expect(planQkNorm(request)).toMatchObject({ path: "fused", advice });
  remove();

  const removeSilent = registerFusedQkNorm({ ...fakeProvider("fake"), advice: null });
  expect(explainQkNorm(request)).not.toContain("\n");
  removeSilent();
});

test("a fallback is told with every reason, and with who refused", () => {
  const remove = registerFusedQkNorm(
    fakeProvider("fake", {
      prepare: () => [
        { code: "head-dim", detail: "8 is too few" },
        { code: "dtype", detail: "f8" },
      ],
    }),
  );
  expect(explainQkNorm(request)).toBe(
    [
      "two norms, one after the other: 3 tokens, 4 query heads and 2 KV heads of 8",
      "  head-dim: 8 is too few (fake)",
      "  dtype: f8 (fake)",
    ].join("\n"),
  );
  remove();
});

test("a plan and the request it was made from read the same", () => {
  expect(explainQkNorm(planQkNorm(request))).toBe(explainQkNorm(request));
});

test("one token is one token, and two streams are said", () => {
  const one = { ...request, q: flat([32]), k: flat([16]) };
  const altStream = new FakeStream("alt", []);
  const plan = withStream(new FakeStream("main", []), () =>
    capture(() => planQkNorm({ ...one, options: { altStream } })),
  );
  expect(explainQkNorm(plan)).toMatch(/^two norms, side by side on two streams: 1 token, /);
});

test.each([
  null,
  undefined,
  1,
  "plan",
  Symbol("plan"),
  { path: "other" },
  { path: "other", layout: {}, reasons: [] },
  { path: "fused" },
  {},
])("%s is neither a plan nor a request", (garbage) => {
  expect(() => explainQkNorm(garbage as unknown as QkNormPlan)).toThrow(
    expect.objectContaining({ code: "ERR_QKNORM_ARGUMENT" }),
  );
});
