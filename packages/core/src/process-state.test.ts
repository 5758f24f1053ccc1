import { expect, test, vi } from "vitest";
import { fakeProvider, negated, rms } from "../test/fake-provider.ts";
import { FakeStream } from "../test/fake-stream.ts";
import { flat } from "../test/flat-tensor.ts";
import * as one from "./index.ts";

async function another(): Promise<typeof one> {
  vi.resetModules();
  const other = await import("./index.ts");
  expect(other.registerFusedQkNorm).not.toBe(one.registerFusedQkNorm);
  return other;
}

test("a provider that one copy of core registers runs for the other, and a copy takes out only its own", async () => {
  const other = await another();
  const provider = fakeProvider("shared");
  const remove = one.registerFusedQkNorm(provider);
  const norm = Object.assign(negated, { spec: rms });
  expect(
    other.planQkNorm({ q: flat([3, 32]), k: flat([3, 16]), qNorm: norm, kNorm: norm, headDim: 8 }),
  ).toMatchObject({ path: "fused", provider: "shared" });
  const removeOther = other.registerFusedQkNorm(fakeProvider("of the other"));
  remove();
  expect(one.fusedQkNormProviders().map(({ name }) => name)).toEqual(["of the other"]);
  removeOther();
});

test("streams and captures of one copy are those of the other", async () => {
  const other = await another();
  const stream = new FakeStream("main", []);
  one.withStream(stream, () => {
    expect(other.currentStream(stream.device)).toBe(stream);
    one.capture(() => expect(other.isCapturing()).toBe(true));
  });
  expect(other.isCapturing()).toBe(false);
});

test("an error of one copy passes through the other, told by its code", async () => {
  const other = await another();
  const error = new other.QkNormError("ERR_QKNORM_OVERLAP", "q and k overlap");
  expect(error).not.toBeInstanceOf(one.QkNormError);
  expect(one.isQkNormError(error)).toBe(true);
  const remove = one.registerFusedQkNorm(
    fakeProvider("throwing", {
      prepare: () => {
        throw error;
      },
    }),
  );
  const norm = Object.assign(negated, { spec: rms });
  expect(() => one.applyQkNorm(flat([3, 32]), flat([3, 16]), norm, norm, 8)).toThrow(error);
  remove();
});

test.each([
  ["an error of another code", Object.assign(new Error("no"), { code: "ENOENT" })],
  ["an error without a code", new Error("no")],
  ["a look-alike that is no error", { code: "ERR_QKNORM_SHAPE", message: "no" }],
  ["nothing", undefined],
])("%s is none of this project", (_, value) => {
  expect(one.isQkNormError(value)).toBe(false);
});
