import { chainOf } from "../chain.ts";
import { writeCache } from "../typescript/write-cache.ts";
import { normalize } from "./normalize.ts";
import { rope } from "./rope.ts";

/** The chain by the addon. */
export const nativeQkNormRope = chainOf({ normalize, rope, writeCache });
