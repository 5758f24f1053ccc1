import { describe, expect, it } from "vitest";
import { StateCache } from "./state-cache.ts";

const conv = { layer: 2, name: "conv", shape: [2, 4] };

describe("StateCache", () => {
  it("gives a layer what it left there, and zeros at first", () => {
    const states = new StateCache("bf16", undefined);
    const state = states.advance(conv, 0, 3);
    expect([state.dtype, ...state.toNumbers()]).toEqual(["bf16", ...new Array(8).fill(0)]);
    state.data.fill(7);
    expect(states.advance(conv, 3, 1)).toBe(state);
    expect(states.advance({ ...conv, layer: 3 }, 0, 1).toNumbers()[0]).toBe(0);
    expect(states.advance({ ...conv, name: "memory", dtype: "f32" }, 0, 1).dtype).toBe("f32");
  });

  it("refuses to take in tokens again, or to leave some out", () => {
    const states = new StateCache("f32", undefined);
    states.advance(conv, 0, 3);
    for (const past of [0, 2, 4]) {
      expect(() => states.advance(conv, past, 1)).toThrow(
        expect.objectContaining({ code: "ERR_GENERATION", message: expect.stringContaining("layer 2") }),
      );
    }
  });
});
