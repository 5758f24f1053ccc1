import { createRequire } from "node:module";
import type * as tsMorph from "ts-morph";

/**
 * Required, because an import of a CommonJS module makes Node read all of it once more, 13 MB here, only to know the names that it
 * exports. Types come from `import type { ts } from "ts-morph"`.
 */
const morph = createRequire(import.meta.url)("ts-morph") as typeof tsMorph;

/** TypeScript's compiler, of which only the parser is used, unless types are asked for. */
export const compiler: typeof tsMorph.ts = morph.ts;

/** Files with their types, and with a standard library that ts-morph brings along. */
export const TypedProject: typeof tsMorph.Project = morph.Project;
