import { afterAll, beforeAll } from "vitest";
import { type QkNormLogger, setQkNormLogger } from "../src/fallback-log.ts";

/** Says nothing of fallbacks while the tests of a file run. */
export function quietLog(): void {
  let former: QkNormLogger | null;
  beforeAll(() => {
    former = setQkNormLogger(null);
  });
  afterAll(() => {
    setQkNormLogger(former);
  });
}
