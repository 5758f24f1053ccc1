import { requireBinding } from "../loader.ts";
import { canRun, chosenCompiler } from "./compiler-choice.ts";
import { type CachePlace, cachePlace, seedFolders, shippedFolder, switchedOff } from "./cubin-places.ts";
import { compilersIn, faultOfFolder, measureFolder, pathOf, readCubin, writeCubin } from "./cubin-store.ts";
import type { JitState, Rung } from "./jit-state.ts";
import { type KernelRequest, keyOf, optionsOf } from "./kernel-request.ts";
import { openNvrtc } from "./nvrtc.ts";
import { ShippedCubins } from "./shipped-cubins.ts";

export interface JitOptions {
  /** Where cubins are kept; `null` keeps them in memory only. `QKNORM_CACHE`, or `~/.cache/qknorm`, by default. */
  readonly folder?: string | null;
  /** Folders that are only read, before anything is compiled, whichever NVRTC filled them (`Jit.seed`). */
  readonly seeds?: readonly string[];
  /** A folder of packs, for where there is no NVRTC: the package's own by default, none for `null`. */
  readonly shipped?: string | null;
  /** Gets a warning for each corrupted entry, and one if the folder cannot be used. */
  readonly log?: (message: string) => void;
}

export interface CompiledKernel {
  readonly cubin: Uint8Array;
  readonly origin: "seed" | "disk" | "compiled" | "shipped";
  /** The version of the NVRTC that made it: `"13.0"`. */
  readonly compiler: string;
}

// Each compilation takes one of libuv's four threads, which files and names are looked up with as well.
const mostAtOnce = 2;

/**
 * Kernels compiled when they are first asked for: found in memory, in a seed, on disk, compiled by NVRTC, or, where
 * there is none, taken from what the package ships. A kernel that fails once fails the same way at every later call, at
 * no cost.
 * Whose cubins are taken from the disk is told in compiler-choice.ts.
 */
export class Jit {
  readonly #folder: string | null;
  /** Why there is no folder. */
  readonly #none: string | null;
  readonly #seeds: readonly string[];
  readonly #shipped: ShippedCubins;
  readonly #log: (message: string) => void;
  /** Why the folder may not be used; undefined before it was looked at. */
  #fault: string | null | undefined;
  /** Why nothing can be put there. What is there is still found. */
  #unwritable: string | null = null;
  readonly #byRequest = new WeakMap<KernelRequest, CompiledKernel>();
  readonly #done = new Map<string, CompiledKernel>();
  readonly #failed = new Map<string, { readonly name: string; readonly error: Error }>();
  readonly #running = new Map<string, Promise<CompiledKernel>>();
  readonly #waiting: (() => void)[] = [];

  constructor(options: JitOptions = {}) {
    const { folder, none } = placeOf(options.folder);
    this.#folder = folder;
    this.#none = none;
    this.#seeds = options.seeds ?? seedFolders();
    this.#shipped = new ShippedCubins(options.shipped === undefined ? shippedFolder() : options.shipped);
    this.#log = options.log ?? (() => {});
    if (none !== null && none !== switchedOff.none) this.#log(`${inMemory}: ${none}`);
  }

  /**
   * The cubin, at once; the same request object again costs a lookup.
   * Throws `ERR_NVRTC` (none found and none shipped, or the kernel refused, with the compiler's log),
   * `ERR_QKNORM_ARGUMENT`, `ERR_NATIVE`.
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
    for (const request of requests) {
      const { cubin, compiler } = this.compile(request);
      writeCubin(folder, { key: keyOf(request), compiler }, cubin);
    }
  }

  /** Which rung kernels of an architecture stand on. Opens NVRTC. Never throws. */
  rung(arch: string): Rung {
    let missing: string;
    try {
      return { name: "jit", because: `kernels compiled by NVRTC ${openNvrtc().version}` };
    } catch (error) {
      missing = (error as Error).message.split("; tried ")[0] as string;
    }
    const shipped = this.#shipped.of(arch);
    const seeded = this.#seeds.reduce((sum, seed) => sum + measureFolder(seed).entries, 0);
    if (shipped.entries + seeded > 0) {
      const made = [
        `${shipped.entries} kernels shipped for ${arch}`,
        ...(seeded > 0 ? [`${seeded} in seeds`] : []),
      ];
      return { name: "cubins", because: `${made.join(", ")}; no NVRTC to compile others` };
    }
    return { name: "none", because: `${missing}, and ${shipped.fault}` };
  }

  /** What a person wants to know of it. Makes the folder if there is none. */
  state(): JitState {
    return {
      folder: this.#folder,
      fault: this.#folder === null ? this.#none : (this.#folderFault(this.#folder) ?? this.#unwritable),
      stored: this.#folder === null ? { entries: 0, bytes: 0 } : measureFolder(this.#folder),
      seeds: this.#seeds.map((folder) => ({ folder, ...measureFolder(folder) })),
      failures: [...this.#failed.values()].map(({ name, error }) => ({ name, message: error.message })),
    };
  }

  async #warm(request: KernelRequest): Promise<CompiledKernel> {
    const found = this.#find(request);
    if (found !== undefined) return found;
    const key = keyOf(request);
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
    const key = keyOf(request);
    const failed = this.#failed.get(key);
    if (failed !== undefined) throw failed.error;
    const known = this.#done.get(key) ?? this.#stored(key);
    if (known !== undefined) this.#done.set(key, known);
    return known;
  }

  #stored(key: string): CompiledKernel | undefined {
    for (const seed of this.#seeds) {
      const found = this.#read(seed, key, compilersIn(seed, key));
      if (found !== undefined) return { ...found, origin: "seed" };
    }
    if (this.#folder === null || this.#folderFault(this.#folder) !== null) return undefined;
    const chosen = chosenCompiler();
    const found = this.#read(
      this.#folder,
      key,
      chosen === undefined ? compilersIn(this.#folder, key) : [chosen],
    );
    return found && { ...found, origin: "disk" };
  }

  /** The first entry of these compilers that the driver can run. */
  #read(
    folder: string,
    key: string,
    compilers: readonly string[],
  ): Pick<CompiledKernel, "cubin" | "compiler"> | undefined {
    for (const compiler of compilers.filter(canRun)) {
      const cubin = readCubin(folder, { key, compiler });
      if (cubin === "corrupted")
        this.#log(`${pathOf(folder, { key, compiler })} is corrupted; the kernel is compiled again`);
      if (typeof cubin !== "string") return { cubin, compiler };
    }
    return undefined;
  }

  /** Compiles, or takes what is shipped where nothing can; remembers what came of it, and stores it. */
  #attempt(request: KernelRequest, compile: () => Uint8Array): CompiledKernel {
    const key = keyOf(request);
    try {
      const compiled = this.#shippedInstead(request.arch, key) ?? this.#compileWith(compile, key);
      this.#done.set(key, compiled);
      return compiled;
    } catch (error) {
      this.#failed.set(key, { name: request.name, error: error as Error });
      throw error;
    }
  }

  #shippedInstead(arch: string, key: string): CompiledKernel | undefined {
    try {
      openNvrtc();
      return undefined;
    } catch (error) {
      const shipped = this.#shipped.get(arch, key);
      if (shipped === undefined) throw error;
      return { ...shipped, origin: "shipped" };
    }
  }

  #compileWith(compile: () => Uint8Array, key: string): CompiledKernel {
    const { version: compiler } = openNvrtc();
    const compiled = { cubin: compile(), origin: "compiled", compiler } as const;
    this.#write(key, compiled);
    return compiled;
  }

  #write(key: string, { cubin, compiler }: CompiledKernel): void {
    if (this.#folder === null || this.#unwritable !== null || this.#folderFault(this.#folder) !== null)
      return;
    try {
      writeCubin(this.#folder, { key, compiler }, cubin);
    } catch (error) {
      this.#unwritable = (error as Error).message;
      this.#warnOfFolder(this.#unwritable);
    }
  }

  #folderFault(folder: string): string | null {
    if (this.#fault === undefined) {
      this.#fault = faultOfFolder(folder);
      if (this.#fault !== null) this.#warnOfFolder(this.#fault);
    }
    return this.#fault;
  }

  #warnOfFolder(fault: string): void {
    this.#log(`${inMemory}: ${this.#folder} cannot be used: ${fault}`);
  }
}

const inMemory = "compiled kernels are kept in memory only";

function placeOf(folder: JitOptions["folder"]): CachePlace {
  if (folder === undefined) return cachePlace();
  return folder === null ? switchedOff : { folder, none: null };
}
