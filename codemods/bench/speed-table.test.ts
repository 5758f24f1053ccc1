import { expect, it } from "vitest";
import { speedIsCurrent } from "./speed-table.ts";

it("the README says the speed that the committed results say", () => {
  expect(speedIsCurrent()).toBe(true);
});
