import { createRequire } from "node:module";
import type * as tsMorph from "ts-morph";

/**
 * TypeScript's compiler, of which only the parser is used. Required, because an import of a CommonJS module makes Node read all of
 * it once more, 13 MB here, only to know the names that it exports. Types come from `import type { ts } from "ts-morph"`.
 */
export const compiler: typeof tsMorph.ts = (createRequire(import.meta.url)("ts-morph") as typeof tsMorph).ts;
