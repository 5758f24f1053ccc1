import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nativeError, requireBinding } from "../loader.ts";
import { type FolderUse, faultOfFolder, measureFolder, readCubin, writeCubin } from "./cubin-store.ts";
import { type KernelRequest, keyOf, optionsOf } from "./kernel-request.ts";
import { openNvrtc } from "./nvrtc.ts";

export interface JitOptions {
  /** Where cubins are kept; `null` keeps them in memory only. `QKNORM_CACHE`, or `~/.cache/qknorm`, by default. */
  readonly folder?: string | null;
  /** Folders that are only read, before anything is compiled, whichever NVRTC filled them (`Jit.seed`). */
  readonly seeds?: readonly string[];
  /** Gets a warning for each corrupted entry, and one if the folder cannot be used. */
  readonly log?: (message: string) => void;
}

export interface CompiledKernel {
  readonly cubin: Uint8Array;
  readonly origin: "seed" | "disk" | "compiled";
}

export interface JitState {
  readonly folder: string | null;
  /** Why the folder is not used; `null` if it is. */
  readonly fault: string | null;
  readonly stored: FolderUse;
  readonly seeds: readonly ({ readonly folder: string } & FolderUse)[];
  readonly failures: readonly { readonly name: string; readonly message: string }[];
}

// Each compilation takes one of libuv's four threads, which files and names are looked up with as well.
const mostAtOnce = 2;

/**
 * Kernels compiled when they are first asked for: found in memory, in a seed, on disk, or compiled by NVRTC.
 * A kernel that fails once fails the same way at every later call, at no cost.
 */
export class Jit {
  readonly #folder: string | null;
  readonly #seeds: readonly string[];
  readonly #log: (message: string) => void;
  #fault: string | null | undefined;
  readonly #byRequest = new WeakMap<KernelRequest, CompiledKernel>();
  readonly #done = new Map<string, CompiledKernel>();
  readonly #failed = new Map<string, { readonly name: string; readonly error: Error }>();
  readonly #running = new Map<string, Promise<CompiledKernel>>();
  readonly #waiting: (() => void)[] = [];

  constructor(options: JitOptions = {}) {
    this.#folder = options.folder === undefined ? defaultFolder() : options.folder;
    this.#seeds = options.seeds ?? defaultSeeds();
    this.#log = options.log ?? (() => {});
  }

  /**
   * The cubin, at once; the same request object again costs a lookup. Without a seed it takes NVRTC.
   * Throws `ERR_NVRTC` (none found, or the kernel refused, with the compiler's log), `ERR_QKNORM_ARGUMENT`,
   * `ERR_NATIVE`.
   */
  compile(request: KernelRequest): CompiledKernel {
    const known = this.#byRequest.get(request);
    if (known !== undefined) return known;
    const compiled =
      this.#find(request) ??
      this.#attempt(request, () =>
        requireBinding().nvrtcCompile(request.source, request.name, optionsOf(request).join("\n")),
      );
    this.#byRequest.set(request, compiled);
    return compiled;
  }

  /**
   * Makes the cubins off the main thread, so that `compile` has them. Rejects with the first failure once all are done;
   * the others are ready then.
   */
  async warmUp(requests: readonly KernelRequest[]): Promise<void> {
    const outcomes = await Promise.allSettled(requests.map((request) => this.#warm(request)));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  /** Writes the cubins into a folder that may then serve as a seed anywhere. Throws as `compile`, and what the file system does. */
  seed(folder: string, requests: readonly KernelRequest[]): void {
    for (const request of requests) writeCubin(folder, keyOf(request, "any"), this.compile(request).cubin);
  }

  /** What a person wants to know of it. Makes the folder if there is none. */
  state(): JitState {
    return {
      folder: this.#folder,
      fault: this.#folder === null ? "it is switched off" : this.#folderFault(this.#folder),
      stored: this.#folder === null ? { entries: 0, bytes: 0 } : measureFolder(this.#folder),
      seeds: this.#seeds.map((folder) => ({ folder, ...measureFolder(folder) })),
      failures: [...this.#failed.values()].map(({ name, error }) => ({ name, message: error.message })),
    };
  }

  async #warm(request: KernelRequest): Promise<CompiledKernel> {
    const found = this.#find(request);
    if (found !== undefined) return found;
    const key = keyOf(request, "any");
    let running = this.#running.get(key);
    if (running === undefined) {
      running = this.#compileAside(request).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }

  async #compileAside(request: KernelRequest): Promise<CompiledKernel> {
    if (this.#running.size >= mostAtOnce) await new Promise<void>((start) => this.#waiting.push(start));
    const options = optionsOf(request).join("\n");
    try {
      openNvrtc();
      const cubin = await requireBinding().nvrtcCompileAsync(request.source, request.name, options);
      return this.#attempt(request, () => cubin);
    } catch (error) {
      return this.#attempt(request, () => {
        throw error;
      });
    } finally {
      this.#waiting.shift()?.();
    }
  }

  /** From memory, a seed or the disk; throws what an earlier attempt did. */
  #find(request: KernelRequest): CompiledKernel | undefined {
    const any = keyOf(request, "any");
    const failed = this.#failed.get(any);
    if (failed !== undefined) throw failed.error;
    const known = this.#done.get(any) ?? this.#stored(request, any);
    if (known !== undefined) this.#done.set(any, known);
    return known;
  }

  #stored(request: KernelRequest, any: string): CompiledKernel | undefined {
    for (const seed of this.#seeds) {
      const cubin = this.#read(seed, any);
      if (cubin !== undefined) return { cubin, origin: "seed" };
    }
    if (this.#folder === null || this.#folderFault(this.#folder) !== null) return undefined;
    const compiler = this.#compiler();
    const cubin = compiler === undefined ? undefined : this.#read(this.#folder, keyOf(request, compiler));
    return cubin && { cubin, origin: "disk" };
  }

  /** Compiles, remembers what came of it, and stores it. */
  #attempt(request: KernelRequest, compile: () => Uint8Array): CompiledKernel {
    const any = keyOf(request, "any");
    try {
      const { version } = openNvrtc();
      const compiled = { cubin: compile(), origin: "compiled" } as const;
      this.#done.set(any, compiled);
      this.#write(keyOf(request, version), compiled.cubin);
      return compiled;
    } catch (error) {
      this.#failed.set(any, { name: request.name, error: error as Error });
      throw error;
    }
  }

  #compiler(): string | undefined {
    try {
      return openNvrtc().version;
    } catch {
      return undefined; // the attempt to compile says why
    }
  }

  #read(folder: string, key: string): Uint8Array | undefined {
    const cubin = readCubin(folder, key);
    if (cubin === "corrupted")
      this.#log(`${join(folder, key)}.cubin is corrupted; the kernel is compiled again`);
    return typeof cubin === "string" ? undefined : cubin;
  }

  #write(key: string, cubin: Uint8Array): void {
    if (this.#folder === null || this.#folderFault(this.#folder) !== null) return;
    try {
      writeCubin(this.#folder, key, cubin);
    } catch (error) {
      this.#fault = (error as Error).message;
      this.#warnOfFolder();
    }
  }

  #folderFault(folder: string): string | null {
    if (this.#fault === undefined) {
      this.#fault = faultOfFolder(folder);
      if (this.#fault !== null) this.#warnOfFolder();
    }
    return this.#fault;
  }

  #warnOfFolder(): void {
    this.#log(`compiled kernels are kept in memory only: ${this.#folder} cannot be used: ${this.#fault}`);
  }
}

/** `QKNORM_CACHE`, of which `off` is none; else where the system keeps such things. Throws `ERR_QKNORM_ARGUMENT`. */
function defaultFolder(): string | null {
  const { QKNORM_CACHE: chosen, XDG_CACHE_HOME: caches } = process.env;
  if (chosen === "off") return null;
  if (chosen && !chosen.startsWith("/")) {
    throw nativeError("ERR_QKNORM_ARGUMENT", `QKNORM_CACHE must be an absolute path or off, got ${chosen}`);
  }
  return chosen || join(caches?.startsWith("/") ? caches : join(homedir(), ".cache"), "qknorm");
}

/** `QKNORM_CUBINS`, folders with colons between them, and what the package ships. */
function defaultSeeds(): string[] {
  const chosen = (process.env.QKNORM_CUBINS ?? "").split(":").filter((folder) => folder !== "");
  return [...chosen, fileURLToPath(new URL("../../cubins", import.meta.url))];
}
