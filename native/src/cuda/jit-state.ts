import type { FolderUse } from "./cubin-store.ts";

/** What a person wants to know of a `Jit`. */
export interface JitState {
  readonly folder: string | null;
  /** Why the folder is not used; `null` if it is. */
  readonly fault: string | null;
  readonly stored: FolderUse;
  readonly seeds: readonly ({ readonly folder: string } & FolderUse)[];
  readonly failures: readonly { readonly name: string; readonly message: string }[];
}

/** What the kernels of an architecture come from: compiled here, made before, or from nowhere. */
export interface Rung {
  readonly name: "jit" | "cubins" | "none";
  readonly because: string;
}
