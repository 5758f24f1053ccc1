// What "vitest" is in the portable folder: its runner and its matchers, without the server that loads files. So one
// test file runs under vitest in the workspace and from the folder where there is nothing but Node.
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  GLOBAL_EXPECT,
  getState,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  type MatcherState,
  setState,
} from "@vitest/expect";

export { afterAll, afterEach, beforeAll, beforeEach, describe, it, test } from "@vitest/runner";

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

const globals = globalThis as unknown as Record<symbol, object>;

export const expect = Object.assign(
  (value: unknown, message?: string) => chai.expect(value, message),
  chai.expect,
  globals[ASYMMETRIC_MATCHERS_OBJECT],
);

// The matchers keep their state under the one expect that they know of.
globals[GLOBAL_EXPECT] = expect;
setState<MatcherState>({ ...getState(expect as never), assertionCalls: 0 }, expect as never);
