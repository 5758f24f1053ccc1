import { expect, it } from "vitest";
import { transformersIsCurrent } from "./transformers-table.ts";

it("the README says of transformers what the committed results say", () => {
  expect(transformersIsCurrent()).toBe(true);
});
