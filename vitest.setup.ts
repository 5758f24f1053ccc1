import { afterEach, beforeEach, expect, vi } from "vitest";

// A library that prints is a library that cannot be embedded: a stray console call fails the test that made it.
const methods = ["log", "info", "warn", "error", "debug"] as const;

// Memory of the same bytes is equal without a look at each element, which is most of the time of a test of bits.
expect.addEqualityTesters([
  (a, b) => {
    if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b) || a.constructor !== b.constructor) return undefined;
    return bytesOf(a).equals(bytesOf(b)) || undefined;
  },
]);

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** Where the addon could not be built, the first call says so. */
function aboutThisMachine([message]: readonly unknown[]): boolean {
  return /^qknorm: plain TypeScript kernels/.test(String(message));
}

beforeEach(() => {
  for (const method of methods) vi.spyOn(console, method).mockImplementation(() => {});
});

afterEach(() => {
  const calls = methods.flatMap((method) => {
    // biome-ignore lint/suspicious/noConsole: reads what was printed, prints nothing
    const printed = vi.mocked(console[method]).mock.calls.filter((args) => !aboutThisMachine(args));
    return printed.map((args) => `console.${method}(${args.join(" ")})`);
  });
  vi.restoreAllMocks();
  expect(calls, "stray console calls").toEqual([]);
});
