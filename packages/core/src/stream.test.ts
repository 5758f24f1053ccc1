import { afterEach, describe, expect, test, vi } from "vitest";
import { FakeStream } from "../test/fake-stream.ts";
import {
  capture,
  currentStream,
  isCapturing,
  type StreamLike,
  setDefaultStream,
  withStream,
} from "./stream.ts";

const log: string[] = [];
const a = new FakeStream("a", log);
const b = new FakeStream("b", log);
const onDevice3 = new FakeStream("other device", log, 3);
const code = (code: string) => expect.objectContaining({ code });
const boom = new Error("boom");
const fail = (): never => {
  throw boom;
};

afterEach(() => {
  expect([currentStream(), currentStream(3), isCapturing()]).toEqual([undefined, undefined, false]);
});

describe("withStream", () => {
  test("sets the current stream for the call, gives its result back, and restores", () => {
    expect(withStream(a, () => currentStream())).toBe(a);
    expect(withStream(a, () => 7)).toBe(7);
  });

  test("nests", () => {
    const seen = withStream(a, () => [withStream(b, () => currentStream()), currentStream()]);
    expect(seen).toEqual([b, a]);
  });

  test("keeps a slot for each device", () => {
    expect(withStream(a, () => withStream(onDevice3, () => [currentStream(0), currentStream(3)]))).toEqual([
      a,
      onDevice3,
    ]);
  });

  test("restores after an exception, in nested scopes too", () => {
    withStream(a, () => {
      expect(() => withStream(b, fail)).toThrow(boom);
      expect(currentStream()).toBe(a);
    });
    expect(() => withStream(a, () => withStream(b, fail))).toThrow(boom);
  });

  test("restores the stream's own slot even when the stream's device changes meanwhile", () => {
    const moving = { device: 0, waitFor: () => {} };
    withStream(moving, () => {
      moving.device = 3;
    });
  });
});

describe("capture", () => {
  test("holds for the call alone, gives its result back, and nests", () => {
    expect(capture(() => [isCapturing(), capture(isCapturing), isCapturing()])).toEqual([true, true, true]);
  });

  test("ends after an exception", () => {
    expect(() => capture(() => capture(fail))).toThrow(boom);
  });

  test("of an inner scope that fails leaves the outer one on", () => {
    capture(() => {
      expect(() => capture(fail)).toThrow(boom);
      expect(isCapturing()).toBe(true);
    });
  });
});

describe.each([
  ["withStream", (fn: unknown) => withStream(a, fn as () => unknown)],
  ["capture", (fn: unknown) => capture(fn as () => unknown)],
])("%s", (_, scope) => {
  test("refuses an asynchronous function", () => {
    expect(() => scope(async () => 1)).toThrow(code("ERR_QKNORM_SCOPE"));
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what is refused
    expect(() => scope(() => ({ then: () => {} }))).toThrow(code("ERR_QKNORM_SCOPE"));
  });

  test("does not let the promise of a refused function end the process", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    expect(() => scope(async () => fail())).toThrow(code("ERR_QKNORM_SCOPE"));
    await new Promise((resolve) => setTimeout(resolve, 10));
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  test.each([null, undefined, 1, "fn", {}, Symbol("fn")])("refuses %s as a function", (garbage) => {
    expect(() => scope(garbage)).toThrow(code("ERR_QKNORM_ARGUMENT"));
  });
});

describe("what is not a stream", () => {
  const waitFor = (): void => {};
  test.each<[string, unknown]>([
    ["null", null],
    ["undefined", undefined],
    ["a number", 0],
    ["a symbol", Symbol("stream")],
    ["no waitFor", { device: 0 }],
    ["no device", { waitFor }],
    ["a negative device", { waitFor, device: -1 }],
    ["a fraction", { waitFor, device: 0.5 }],
    ["a name", { waitFor, device: "push" }],
    ["too many devices", { waitFor, device: 4096 }],
    ["an object without prototype as device", { waitFor, device: Object.create(null) }],
  ])("%s is refused", (_, stream) => {
    const fn = vi.fn();
    expect(() => withStream(stream as StreamLike, fn)).toThrow(code("ERR_QKNORM_ARGUMENT"));
    expect(() => setDefaultStream(stream as StreamLike)).toThrow(code("ERR_QKNORM_ARGUMENT"));
    expect(fn).not.toHaveBeenCalled();
  });

  test.each([-1, 0.5, Number.NaN, "push", null])("%s is no device to ask about", (device) => {
    expect(() => currentStream(device as number)).toThrow(code("ERR_QKNORM_ARGUMENT"));
  });
});

test("the default stream is what a device starts with", () => {
  const device7 = new FakeStream("first", log, 7);
  setDefaultStream(device7);
  expect(currentStream(7)).toBe(device7);
  const other = new FakeStream("second", log, 7);
  expect(withStream(other, () => currentStream(7))).toBe(other);
  expect(currentStream(7)).toBe(device7);
});
