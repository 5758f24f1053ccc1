import { expect, test } from "vitest";
import { describe as inWords } from "./describe.ts";

test("a text is quoted, and cut behind 40 letters", () => {
  const letters = "abcdefghijklmnopqrstuvwxyz0123456789ABCD";
  expect(inWords(letters)).toBe(`"${letters}"`);
  expect(inWords(`${letters}E`)).toBe(`"${letters}..."`);
});

test("other values are named in a few words, those that cannot be read too", () => {
  class Head {}
  const closed = new Proxy(
    {},
    {
      get: () => {
        throw new Error("closed");
      },
    },
  );
  const words = [null, undefined, 3, true, [1, 2], () => 1, new Head(), Object.create(null), closed].map(
    inWords,
  );
  expect(words).toEqual([
    ...["null", "undefined", "3", "true", "an array of 2", "a function"],
    ...["an object of Head", "an object", "an object that cannot be read"],
  ]);
});
