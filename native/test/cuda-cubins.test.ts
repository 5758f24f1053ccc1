// Kernels that were compiled before: on disk, by whichever NVRTC, and in the pack that is shipped.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { CubinPack, writePack } from "../src/cuda/cubin-pack.ts";
import { packPath } from "../src/cuda/cubin-places.ts";
import { keyOf } from "../src/cuda/kernel-request.ts";
import { shippedKernels } from "../src/cuda/shipped-kernels.ts";
import { packageFile } from "../src/home.ts";
import type { KernelRequest } from "../src/index.ts";
import { failureOf, fakeLibrary, folder, inProcess, missing, placeLibrary, scripted } from "./cuda-fake.ts";

const cache = join(folder, "cubins");
const libraries = join(folder, "libraries");
const packs = join(folder, "packs");
const request: KernelRequest = { name: "scale", source: "kernel", macros: { D: 128 }, arch: "sm_90" };
const cubin = new TextEncoder().encode(".version 8.0 .target sm_90 // shipped");

beforeEach(() => {
  scripted();
  for (const one of [cache, libraries, packs]) {
    rmSync(one, { recursive: true, force: true });
    mkdirSync(one, { mode: 0o700 });
  }
});

/** What `Jit.compile` finds in a process of its own, whether NVRTC was opened for it, and the rung. */
function compiled(env: Record<string, string>, options: object = {}): unknown {
  const body = `(native, attempt) => {
    const jit = new native.Jit(${JSON.stringify({ seeds: [], shipped: null, ...options })});
    const found = attempt(() => jit.compile(${JSON.stringify(request)}));
    const opened = native.loadBinding().binding.nvrtcLibrary() !== null;
    const { code, message, origin, compiler } = found;
    return { code, message, origin, compiler, opened, rung: jit.rung("sm_90") };
  }`;
  return inProcess({ QKNORM_LIBCUDA: fakeLibrary, QKNORM_CACHE: cache, ...env }, body);
}

describe.skipIf(missing !== "")(`a kernel on disk${missing}`, () => {
  it("is found without opening NVRTC, whichever made it, the newest that the driver runs first", () => {
    placeLibrary(join(libraries, "libnvrtc.so.12"));
    const searched = { LD_LIBRARY_PATH: libraries };
    expect(compiled(searched)).toMatchObject({ origin: "compiled", compiler: "12.4", opened: true });
    expect(compiled(searched)).toMatchObject({ origin: "disk", compiler: "12.4", opened: false });
    scripted({ nvrtc: 13, version: 13000 });
    expect(compiled(searched)).toMatchObject({ origin: "disk", compiler: "12.4", opened: false });
    const named = { QKNORM_LIBNVRTC: fakeLibrary };
    expect(compiled(named)).toMatchObject({ origin: "compiled", compiler: "13.4", opened: true });
    expect(compiled(named)).toMatchObject({ origin: "disk", compiler: "13.4", opened: true });
    expect(compiled(searched)).toMatchObject({ origin: "disk", compiler: "13.4", opened: false });
    scripted({ version: 12040 });
    expect(compiled(searched)).toMatchObject({ origin: "disk", compiler: "12.4", opened: false });
    expect(readdirSync(cache)).toHaveLength(2);
  });

  it("is passed over for an older one when it is damaged", () => {
    const named = { QKNORM_LIBNVRTC: fakeLibrary };
    compiled(named);
    scripted({ nvrtc: 13, version: 13000 });
    compiled(named);
    const newest = join(cache, readdirSync(cache).find((name) => name.endsWith("-13.4.cubin"))!);
    writeFileSync(newest, readFileSync(newest).subarray(0, -1));
    expect(compiled({ LD_LIBRARY_PATH: libraries })).toMatchObject({ origin: "disk", compiler: "12.4" });
  });
});

describe.skipIf(missing !== "")(`what is shipped${missing}`, () => {
  const nowhere = { QKNORM_LIBNVRTC: "/nowhere/libnvrtc.so.12" };
  const ship = (compiler: string) =>
    writePack(packPath(packs, "sm_90"), [{ key: keyOf(request), compiler, cubin }]);

  it("is taken where there is no NVRTC, and only there", () => {
    ship("12.8");
    expect(compiled(nowhere, { shipped: packs })).toMatchObject({
      ...{ origin: "shipped", compiler: "12.8" },
      rung: {
        name: "cubins",
        because: "1 kernels shipped for sm_90; no NVRTC to compile others",
      },
    });
    expect(compiled({ QKNORM_LIBNVRTC: fakeLibrary }, { shipped: packs })).toMatchObject({
      origin: "compiled",
      rung: { name: "jit", because: "kernels compiled by NVRTC 12.4" },
    });
  });

  it("is no way around a kernel that NVRTC refuses", () => {
    ship("12.8");
    scripted({ nvrtcCompileProgram: 6 });
    expect(compiled({ QKNORM_LIBNVRTC: fakeLibrary }, { shipped: packs })).toMatchObject({
      code: "ERR_NVRTC",
      message: expect.stringMatching(/^nvrtcCompileProgram failed/),
    });
  });

  it("is not taken when it is damaged, or made for a later driver, which the rung says", () => {
    const outcome = () => compiled(nowhere, { shipped: packs });
    const none = (because: RegExp) => ({
      code: "ERR_NVRTC",
      rung: { name: "none", because: expect.stringMatching(because) },
    });
    expect(outcome()).toMatchObject(none(/, and nothing is shipped for sm_90$/));
    ship("13.0");
    expect(outcome()).toMatchObject(none(/was made by NVRTC 13\.0, later than the driver$/));
    ship("12.8");
    const path = packPath(packs, "sm_90");
    const intact = readFileSync(path);
    for (const at of [0, 20, 45, intact.length - 1]) {
      const damaged = Buffer.from(intact);
      damaged[at]! ^= 1;
      writeFileSync(path, damaged);
      expect(failureOf(() => new CubinPack(path)).message).toMatch(/is no pack of cubins, or is damaged$/);
    }
    writeFileSync(path, intact.subarray(0, 30));
    expect(outcome()).toMatchObject(none(/sm_90\.pack is no pack of cubins, or is damaged$/));
  });

  it("is every kernel of the sources as they are now; `npm run cubins` in native/ makes it again", () => {
    const pack = new CubinPack(packPath(packageFile("cubins"), "sm_90"));
    const kernels = shippedKernels("sm_90");
    expect(
      kernels.filter((kernel) => pack.get(keyOf(kernel)) === undefined).map(({ macros }) => macros),
    ).toEqual([]);
    expect(pack.entries).toBe(kernels.length);
    expect(pack.compilers.map((compiler) => Number.parseInt(compiler, 10))).toEqual([12]);
    for (const kernel of kernels) {
      const { cubin: image } = pack.get(keyOf(kernel))!;
      expect([...image.subarray(0, 4)]).toEqual([0x7f, 0x45, 0x4c, 0x46]);
      expect(Buffer.from(image).includes(kernel.name)).toBe(true);
    }
  });
});
