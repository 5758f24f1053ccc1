import { setQkNormLogger } from "@qknorm/core";
import { openDevice } from "@qknorm/tensor";
import { afterEach, beforeAll, beforeEach, describe, expect } from "vitest";
import { missing, notes, scripted } from "../../tensor/test/stand-in.ts";
import { deviceFamiliesSuite } from "./device-families-suite.ts";

describe.skipIf(missing !== "")(`families on a device, on a stand-in driver${missing}`, () => {
  beforeAll(async () => {
    setQkNormLogger(null);
    await openDevice("cuda:0");
  });
  beforeEach(() => {
    scripted();
    notes();
  });
  afterEach(() => {
    expect(notes().filter((note) => /^dead|in a graph|of nothing/.test(note))).toEqual([]);
  });
  deviceFamiliesSuite("cuda:0", { tokens: 2 });
});
