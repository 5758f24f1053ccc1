import { InvalidArgumentError } from "commander";

/** Token ids as a command line gives them, "5,17,9" or "5 17 9". Throws commander's error for anything else. */
export function parseTokenIds(text: string): readonly number[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  const wrong = words.find((word) => !/^\d+$/.test(word) || !Number.isSafeInteger(Number(word)));
  if (wrong !== undefined)
    throw new InvalidArgumentError(`Token ids are integers from 0, such as 5,17,9; "${wrong}" is none.`);
  if (words.length === 0) throw new InvalidArgumentError("Give at least one token id, such as 5,17,9.");
  return words.map(Number);
}
