import { canRun, chosenCompiler } from "./compiler-choice.ts";
import { type CachePlace, cachePlace, switchedOff } from "./cubin-places.ts";
import { compilersIn, faultOfFolder, measureFolder, pathOf, readCubin, writeCubin } from "./cubin-store.ts";
import type { JitState } from "./jit-state.ts";

/** Machine code, and what made it. */
export interface MadeCubin {
  readonly cubin: Uint8Array;
  /** The version of the NVRTC that made it: `"13.0"`. */
  readonly compiler: string;
}

type Log = (message: string) => void;

const inMemory = "compiled kernels are kept in memory only";

/** The folder in which a process finds and keeps cubins, where it has one that may be used; else it finds and keeps none. */
export class CubinCache {
  readonly #folder: string | null;
  /** Why there is no folder. */
  readonly #none: string | null;
  readonly #log: Log;
  /** Why the folder may not be used; undefined before it was looked at. */
  #fault: string | null | undefined;
  /** Why nothing can be put there. What is there is still found. */
  #unwritable: string | null = null;

  /**
   * `folder`: as `JitOptions` has it. `log` is told once where it cannot be used, and of each corrupted entry. Throws
   * `ERR_QKNORM_ARGUMENT` for a folder of the environment that is no path.
   */
  constructor(folder: string | null | undefined, log: Log) {
    const place = placeOf(folder);
    this.#folder = place.folder;
    this.#none = place.none;
    this.#log = log;
    if (place.none !== null && place.none !== switchedOff.none) log(`${inMemory}: ${place.none}`);
  }

  /** The entry of a kernel that may be taken; compiler-choice.ts says whose. */
  find(key: string): MadeCubin | undefined {
    if (this.#folder === null || this.#faultOf(this.#folder) !== null) return undefined;
    const chosen = chosenCompiler();
    return firstCubin(this.#folder, key, this.#log, chosen === undefined ? undefined : [chosen]);
  }

  /** Puts an entry there. Never throws: after the first that fails no other is tried. */
  write(key: string, { cubin, compiler }: MadeCubin): void {
    if (this.#folder === null || this.#unwritable !== null || this.#faultOf(this.#folder) !== null) return;
    try {
      writeCubin(this.#folder, { key, compiler }, cubin);
    } catch (error) {
      this.#unwritable = (error as Error).message;
      this.#warn(this.#unwritable);
    }
  }

  /** What a person wants to know of it. Makes the folder if there is none. */
  state(): Pick<JitState, "folder" | "fault" | "stored"> {
    const folder = this.#folder;
    if (folder === null) return { folder, fault: this.#none, stored: { entries: 0, bytes: 0 } };
    return { folder, fault: this.#faultOf(folder) ?? this.#unwritable, stored: measureFolder(folder) };
  }

  #faultOf(folder: string): string | null {
    if (this.#fault === undefined) {
      this.#fault = faultOfFolder(folder);
      if (this.#fault !== null) this.#warn(this.#fault);
    }
    return this.#fault;
  }

  #warn(fault: string): void {
    this.#log(`${inMemory}: ${this.#folder} cannot be used: ${fault}`);
  }
}

/** The first entry of a kernel, by these compilers or by any, newest first, that the driver can run. */
export function firstCubin(
  folder: string,
  key: string,
  log: Log,
  compilers = compilersIn(folder, key),
): MadeCubin | undefined {
  for (const compiler of compilers.filter(canRun)) {
    const cubin = readCubin(folder, { key, compiler });
    if (cubin === "corrupted")
      log(`${pathOf(folder, { key, compiler })} is corrupted; the kernel is compiled again`);
    if (typeof cubin !== "string") return { cubin, compiler };
  }
  return undefined;
}

function placeOf(folder: string | null | undefined): CachePlace {
  if (folder === undefined) return cachePlace();
  return folder === null ? switchedOff : { folder, none: null };
}
