import { describe, expect, it } from "vitest";
import { hashOf, WordFilter } from "./word-filter.ts";

const words = Array.from({ length: 2000 }, (_, i) => `name_${(i * 7919) % 10_007}`);
const filter = new WordFilter(Buffer.from(`${words.join(" + ")} .#hidden größe`));

describe("a word filter", () => {
  it("loses no word of the file", () => {
    for (const word of [...words, "#hidden", "größe"]) expect(filter.mayHold(hashOf(word)), word).toBe(true);
  });

  it("holds few words that the file has not", () => {
    const others = Array.from({ length: 2000 }, (_, i) => `other${i}`);
    expect(others.filter((word) => filter.mayHold(hashOf(word))).length).toBeLessThan(400);
  });
});
