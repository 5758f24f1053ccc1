import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { QkNormError } from "@qknorm/core";
import { type AddonFault, causeOf, damageOf } from "./addon-file.ts";
import { addonPaths } from "./addon-places.ts";
import { BINDING_ABI, type BindingModule } from "./binding.ts";
import { environmentVariable } from "./environment.ts";
import { ownFile } from "./home.ts";
import { reasonForNone, remedyFor } from "./remedies.ts";
import { withTypedErrors } from "./typed-errors.ts";

/**
 * The addon; or in one sentence why there is none, and in another what brings it, in the situation that this code is in: `null`
 * where it was switched off.
 */
export type LoadedBinding =
  | { readonly binding: BindingModule; readonly path: string }
  | { readonly binding: null; readonly reason: string; readonly remedy: string | null };

let loaded: LoadedBinding | undefined;

/**
 * Opens the addon, once per thread: what was built in this package, otherwise what npm installed for this platform.
 * `QKNORM_NATIVE_PATH` names a file to take instead; `QKNORM_NATIVE=off` goes without. Never throws.
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
  if (environmentVariable("QKNORM_NATIVE") === "off") {
    return { binding: null, reason: "QKNORM_NATIVE=off switches it off", remedy: null };
  }
  const chosen = environmentVariable("QKNORM_NATIVE_PATH");
  if (chosen) return openChosen(chosen);
  const faults: AddonFault[] = [];
  for (const path of addonPaths()) {
    const opened = openAt(path);
    if ("binding" in opened) return opened;
    faults.push(opened);
  }
  const reason = faults.length > 0 ? faults.map((fault) => fault.reason).join("; ") : reasonForNone();
  return { binding: null, reason, remedy: remedyFor(faults) };
}

function openChosen(path: string): LoadedBinding {
  const opened = existsSync(path)
    ? openAt(path)
    : { reason: `QKNORM_NATIVE_PATH names a file that is not there: ${path}` };
  if ("binding" in opened) return opened;
  const remedy = "go without QKNORM_NATIVE_PATH, or name another file";
  return { binding: null, reason: opened.reason, remedy };
}

/** The addon, or why this file is none that this package can use. */
function openAt(path: string): LoadedBinding | AddonFault {
  const damage = damageOf(path);
  if (damage !== null) return { path, reason: `${path} ${damage}`, cause: "damaged" };
  try {
    const binding = createRequire(ownFile)(path) as Partial<BindingModule>;
    if (binding.abi === BINDING_ABI) return { binding: withTypedErrors(binding as BindingModule), path };
    const reason = `${path} speaks version ${binding.abi} of the binding, this package ${BINDING_ABI}`;
    return { path, reason, cause: "other-version" };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { path, reason: `${path} cannot be opened: ${inOneLine(detail, path)}`, cause: causeOf(detail) };
  }
}

/** Without the path that was said, and what a damaged file puts among the words. */
function inOneLine(message: string, path: string): string {
  return message.replace(`${path}: `, "").replace(/[\p{Cc}\uFFFD]+/gu, "?");
}
