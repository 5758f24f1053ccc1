import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { QkNormError } from "@qknorm/core";
import { BINDING_ABI, type BindingModule } from "./binding.ts";
import { withTypedErrors } from "./typed-errors.ts";

/** The addon, or in one sentence why there is none. */
export type LoadedBinding =
  | { readonly binding: BindingModule; readonly path: string }
  | { readonly binding: null; readonly reason: string };

let loaded: LoadedBinding | undefined;

/**
 * Opens the addon, once per thread. `QKNORM_NATIVE_PATH` names a file to take instead of the one that was built here;
 * `QKNORM_NATIVE=off` goes without. Never throws.
 */
export function loadBinding(): LoadedBinding {
  loaded ??= open();
  return loaded;
}

/** The addon; throws `ERR_NATIVE` with the reason where there is none. */
export function requireBinding(): BindingModule {
  const { binding } = loadBinding();
  if (binding !== null) return binding;
  const reason = loaded !== undefined && "reason" in loaded ? loaded.reason : "";
  throw new QkNormError("ERR_NATIVE", `the native addon is not available: ${reason}`);
}

function open(): LoadedBinding {
  if (process.env.QKNORM_NATIVE === "off") {
    return { binding: null, reason: "QKNORM_NATIVE=off switches it off" };
  }
  const chosen = process.env.QKNORM_NATIVE_PATH;
  const path = chosen || fileURLToPath(new URL("../build/Release/qknorm.node", import.meta.url));
  if (!existsSync(path)) {
    const remedy = chosen
      ? "QKNORM_NATIVE_PATH names a file that is not there"
      : "it has not been built (that takes a C++20 compiler and CMake)";
    return { binding: null, reason: `${remedy}: ${path}` };
  }
  try {
    const binding = createRequire(import.meta.url)(path) as Partial<BindingModule>;
    if (binding.abi !== BINDING_ABI) {
      const reason = `${path} speaks version ${binding.abi} of the binding, this package ${BINDING_ABI}; build it again`;
      return { binding: null, reason };
    }
    return { binding: withTypedErrors(binding as BindingModule), path };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { binding: null, reason: `${path} cannot be opened: ${detail}` };
  }
}
