import { expect, it } from "vitest";
import { treesAreCurrent } from "./tree-table.ts";

it("the README says of real trees what the committed results say", () => {
  expect(treesAreCurrent()).toBe(true);
});
