import { expect, test } from "vitest";
import { readSteps } from "./parts.ts";

const read = (part: unknown) => readSteps(part, "tokenizer.json", "normalizer", "normalizers");
const refused = (message: string) =>
  expect.objectContaining({ code: "ERR_CHECKPOINT", message: expect.stringContaining(message) });

test("the steps of nested sequences come in the order in which they run, and no part has none", () => {
  const inner = { type: "Sequence", normalizers: [{ type: "NFC" }, { type: "Strip" }] };
  const steps = read({ type: "Sequence", normalizers: [{ type: "Lowercase" }, inner] });
  expect(steps.map(({ type }) => type)).toEqual(["Lowercase", "NFC", "Strip"]);
  expect([read(null), read(undefined)]).toEqual([[], []]);
});

test.each([["x"], [3], [[{ type: "NFC" }]]])("a part that is %j is refused by name", (part) => {
  expect(() => read(part)).toThrow(refused("normalizer must be an object"));
  expect(() => read({ type: "Sequence", normalizers: [{ type: "NFC" }, part] })).toThrow(
    refused("normalizer.normalizers[1] must be an object"),
  );
});
