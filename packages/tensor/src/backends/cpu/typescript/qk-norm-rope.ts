import { chainOf } from "../chain.ts";
import { normalize } from "./normalize.ts";
import { rope } from "./rope.ts";
import { writeCache } from "./write-cache.ts";

/** The chain in plain TypeScript. */
export const typescriptQkNormRope = chainOf({ normalize, rope, writeCache });
