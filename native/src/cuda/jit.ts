import { requireBinding } from "../loader.ts";
import { requireFields, requireList } from "./call-arguments.ts";
import { CubinCache, firstCubin, type MadeCubin } from "./cubin-cache.ts";
import { seedFolders, shippedFolder } from "./cubin-places.ts";
import { measureFolder, writeCubin } from "./cubin-store.ts";
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

export interface CompiledKernel extends MadeCubin {
  readonly origin: "seed" | "disk" | "compiled" | "shipped";
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
  readonly #cache: CubinCache;
  readonly #seeds: readonly string[];
  readonly #shipped: ShippedCubins;
  readonly #log: (message: string) => void;
  readonly #byRequest = new WeakMap<KernelRequest, CompiledKernel>();
  readonly #done = new Map<string, CompiledKernel>();
  readonly #failed = new Map<string, { readonly name: string; readonly error: Error }>();
  readonly #running = new Map<string, Promise<CompiledKernel>>();
  readonly #waiting: (() => void)[] = [];

  constructor(options: JitOptions = {}) {
    requireFields(options, "the options of a compiler");
    this.#log = options.log ?? (() => {});
    this.#cache = new CubinCache(options.folder, this.#log);
    this.#seeds = options.seeds ?? seedFolders();
    this.#shipped = new ShippedCubins(options.shipped === undefined ? shippedFolder() : options.shipped);
  }

  /**
   * The cubin, at once; the same request object again costs a lookup.
   * Throws `ERR_NVRTC` (none found and none shipped, or the kernel refused, with the compiler's log),
   * `ERR_QKNORM_ARGUMENT`, `ERR_NATIVE`.
   */
  compile(request: KernelRequest): CompiledKernel {
    const known = this.#byRequest.get(request);
    if (known !== undefined) return known;
    requireFields(request, "a kernel", ["macros"]);
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
    requireList(requests, "the kernels to warm up");
    for (const request of requests) requireFields(request, "a kernel", ["macros"]);
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
      ...this.#cache.state(),
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
      const found = firstCubin(seed, key, this.#log);
      if (found !== undefined) return { ...found, origin: "seed" };
    }
    const found = this.#cache.find(key);
    return found && { ...found, origin: "disk" };
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
    this.#cache.write(key, compiled);
    return compiled;
  }
}
