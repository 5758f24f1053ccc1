import { InvalidArgumentError } from "commander";

/** An integer from 0. The functions here read an option's value, and throw commander's error for a wrong one. */
export function integer(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw new InvalidArgumentError("It must be an integer from 0.");
  return Number(text);
}

/** An integer from 1. */
export function positive(text: string): number {
  const count = integer(text);
  if (count === 0) throw new InvalidArgumentError("It must be an integer from 1.");
  return count;
}

/** A finite number. */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("It must be a number.");
  return value;
}
