import { afterEach, beforeEach, expect, vi } from "vitest";

// A library that prints is a library that cannot be embedded: a stray console call fails the test that made it.
const methods = ["log", "info", "warn", "error", "debug"] as const;

beforeEach(() => {
  for (const method of methods) vi.spyOn(console, method).mockImplementation(() => {});
});

afterEach(() => {
  const calls = methods.flatMap((method) =>
    // biome-ignore lint/suspicious/noConsole: reads what was printed, prints nothing
    vi.mocked(console[method]).mock.calls.map((args) => `console.${method}(${args.join(" ")})`),
  );
  vi.restoreAllMocks();
  expect(calls, "stray console calls").toEqual([]);
});
