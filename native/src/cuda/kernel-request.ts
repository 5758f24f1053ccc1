import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { QkNormError } from "@qknorm/core";
import { packageFile } from "../home.ts";

/** A kernel to be compiled. It is taken as it is at the first call: change nothing in it later. */
export interface KernelRequest {
  /** For messages. */
  readonly name: string;
  /** CUDA C++ without includes (`kernelSource`). */
  readonly source: string;
  readonly macros: Readonly<Record<string, number | string>>;
  /** `sm_90`: `CudaDevice.arch`. */
  readonly arch: string;
}

/** NVRTC's options, in one order. Throws `ERR_QKNORM_ARGUMENT` for what is no architecture or no macro. */
export function optionsOf(request: KernelRequest): string[] {
  const { arch, macros } = request;
  // A virtual architecture (compute_90) gives no cubin.
  if (typeof arch !== "string" || !/^sm_\d{2,3}[af]?$/.test(arch)) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `arch must be like sm_90, got ${String(arch)}`);
  }
  const defines = Object.keys(macros)
    .sort()
    .map((name) => {
      const value = String(macros[name]);
      if (!/^[A-Za-z_]\w*$/.test(name) || /[\n\r\0]/.test(value)) {
        throw new QkNormError(
          "ERR_QKNORM_ARGUMENT",
          `${JSON.stringify(name)} = ${JSON.stringify(value)} is no macro`,
        );
      }
      return `-D${name}=${value}`;
    });
  return [`--gpu-architecture=${arch}`, "--std=c++17", ...defines];
}

/** The name of a kernel: a hash of all that its code depends on, but for the compiler's version. */
export function keyOf(request: KernelRequest): string {
  return hashOf(JSON.stringify([optionsOf(request), sourceHash(request.source)])).slice(0, 40);
}

// A handful of sources serve thousands of kernels.
const sourceHashes = new Map<string, string>();

function sourceHash(source: string): string {
  let hash = sourceHashes.get(source);
  if (hash === undefined) {
    hash = hashOf(source);
    sourceHashes.set(source, hash);
  }
  return hash;
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function read(name: string): string {
  const path = packageFile("kernels", name);
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `there is no kernel text ${name}`, { cause });
  }
}

const known = new Map<string, string>();

/** A file of `kernels/` that a kernel's text stands behind, or several in a C++ namespace of their own. */
export type Include = string | { readonly namespace: string; readonly files: readonly string[] };

/**
 * The text of `native/kernels/<name>.cu` behind what all kernels start with, and behind the other `.cuh` files that it
 * names; it includes nothing.
 */
export function kernelSource(name: string, includes: readonly Include[] = []): string {
  if (typeof name !== "string" || !/^\w+$/.test(name) || !Array.isArray(includes))
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      "a kernel has a name of letters and a list of what it includes",
    );
  let text = known.get(name);
  if (text === undefined) {
    text = ["ptx.cuh", "elements.cuh", ...includes, `${name}.cu`].map(textOf).join("\n");
    known.set(name, text);
  }
  return text;
}

function textOf(include: Include): string {
  if (typeof include === "string") return `#line 1 "${include}"\n${read(include)}`;
  return `namespace ${include.namespace} {\n${include.files.map(textOf).join("\n")}\n}`;
}
