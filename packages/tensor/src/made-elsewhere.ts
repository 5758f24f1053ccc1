import { shown } from "./strides.ts";

/** What a class of this package is called in a message, by a key that all copies of the package have in common. */
export const kindName = Symbol.for("@qknorm/tensor/kind");

/** A value of the wrong type for a message: what another copy of this package made is no tensor here, and looks like one. */
export function shownKind(value: unknown): string {
  const kind = kindOf(value);
  if (kind === null) return shown(value);
  return `${kind} of another copy of @qknorm/tensor (\`npm ls @qknorm/tensor\` says which there are)`;
}

function kindOf(value: unknown): string | null {
  try {
    const kind = (value as { readonly [kindName]?: unknown } | null | undefined)?.[kindName];
    return typeof kind === "string" ? kind : null;
  } catch {
    // A proxy that throws is nobody's tensor.
    return null;
  }
}
