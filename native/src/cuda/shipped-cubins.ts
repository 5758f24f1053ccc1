import { canRun } from "./compiler-choice.ts";
import { CubinPack } from "./cubin-pack.ts";
import { packPath } from "./cubin-places.ts";

/** What is shipped for an architecture: how many kernels, or why none. */
export interface Shipped {
  readonly entries: number;
  readonly fault: string;
}

/** The packs of a folder, each opened when it is first asked for. */
export class ShippedCubins {
  readonly #folder: string | null;
  readonly #packs = new Map<string, CubinPack | string>();

  constructor(folder: string | null) {
    this.#folder = folder;
  }

  get(arch: string, key: string): { readonly cubin: Uint8Array; readonly compiler: string } | undefined {
    const pack = this.#open(arch);
    return typeof pack === "string" ? undefined : pack.get(key);
  }

  of(arch: string): Shipped {
    const pack = this.#open(arch);
    return typeof pack === "string" ? { entries: 0, fault: pack } : { entries: pack.entries, fault: "" };
  }

  #open(arch: string): CubinPack | string {
    let pack = this.#packs.get(arch);
    if (pack === undefined) {
      pack = this.#folder === null ? "nothing is shipped" : openPack(packPath(this.#folder, arch), arch);
      this.#packs.set(arch, pack);
    }
    return pack;
  }
}

function openPack(path: string, arch: string): CubinPack | string {
  try {
    const pack = new CubinPack(path);
    if (pack.compilers.every(canRun)) return pack;
    return `what is shipped was made by NVRTC ${pack.compilers.join(" and ")}, later than the driver`;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? `nothing is shipped for ${arch}` : message;
  }
}
