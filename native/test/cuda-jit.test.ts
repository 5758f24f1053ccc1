import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { Jit, type KernelRequest } from "../src/index.ts";
import {
  failureOf,
  fakeLibrary,
  folder,
  inProcess,
  missing,
  notes,
  placeLibrary,
  scripted,
} from "./cuda-fake.ts";

const cache = join(folder, "cache");
const request = (change: Partial<KernelRequest> = {}): KernelRequest => ({
  name: "scale",
  source: "kernel",
  macros: { D: 128, B: 1 },
  arch: "sm_90",
  ...change,
});

const compilations = () => notes().filter((note) => note.startsWith("compile"));
const entries = () => readdirSync(cache).sort();
const text = (cubin: Uint8Array) => new TextDecoder().decode(cubin);

function jit(): { jit: Jit; log: string[] } {
  const log: string[] = [];
  return { jit: new Jit({ folder: cache, seeds: [], log: (message) => log.push(message) }), log };
}

beforeEach(() => {
  scripted();
  notes();
  rmSync(cache, { recursive: true, force: true });
});

describe.skipIf(missing !== "")(`the JIT, on a stand-in NVRTC${missing}`, () => {
  it("hands macros and architecture to the compiler, in one order", () => {
    const { cubin, origin } = jit().jit.compile(request());
    expect(origin).toBe("compiled");
    expect(text(cubin)).toContain("// --gpu-architecture=sm_90 --std=c++17 -DB=1 -DD=128 ");
  });

  it("compiles once, and finds it in memory, and then on disk", () => {
    const first = jit().jit;
    const asked = request();
    expect(first.compile(asked)).toBe(first.compile(asked));
    expect(first.compile(request())).toBe(first.compile(asked));
    expect(compilations()).toHaveLength(1);
    const { cubin, origin } = jit().jit.compile(request({ macros: { B: 1, D: 128 } }));
    expect([origin, text(cubin)]).toEqual(["disk", text(first.compile(asked).cubin)]);
    expect(compilations()).toEqual([]);
    expect(entries()).toEqual([expect.stringMatching(/^[0-9a-f]{40}-12\.4\.cubin$/)]);
  });

  it("takes another source, macro, architecture or NVRTC for another kernel", () => {
    jit().jit.compile(request());
    const others = [
      { source: "kernel " },
      { macros: { D: 12, B: 81 } },
      { macros: { D: 128 } },
      { arch: "sm_90a" },
    ];
    for (const change of others) expect(jit().jit.compile(request(change)).origin).toBe("compiled");
    scripted({ nvrtc: 13, version: 13000 });
    const body = `(native) => new native.Jit({ seeds: [] }).compile(${JSON.stringify(request())}).origin`;
    const env = { QKNORM_LIBCUDA: fakeLibrary, QKNORM_LIBNVRTC: fakeLibrary, QKNORM_CACHE: cache };
    expect(inProcess(env, body)).toBe("compiled");
    expect(inProcess(env, body)).toBe("disk");
    expect(entries()).toHaveLength(6);
  });

  it("compiles again what is corrupted in any way, says so once, and mends it", () => {
    const intact = text(jit().jit.compile(request()).cubin);
    const [name] = entries();
    const path = join(cache, name!);
    const entry = readFileSync(path);
    const flipped = Buffer.from(entry);
    flipped[entry.length - 3]! ^= 1;
    jit().jit.compile(request({ source: "other" }));
    const other = readFileSync(join(cache, entries().find((one) => one !== name)!));
    for (const bad of [Buffer.alloc(0), entry.subarray(0, 20), entry.subarray(0, -1), flipped, other]) {
      writeFileSync(path, bad);
      notes();
      const { jit: fresh, log } = jit();
      expect(fresh.compile(request()).origin).toBe("compiled");
      expect(log).toEqual([`${path} is corrupted; the kernel is compiled again`]);
      const { cubin, origin } = jit().jit.compile(request());
      expect([origin, text(cubin)]).toEqual(["disk", intact]);
    }
  });

  it("stays in memory, with one warning, where the folder cannot be made or written", () => {
    writeFileSync(cache, "a file");
    const { jit: first, log } = jit();
    first.compile(request());
    expect(first.compile(request({ arch: "sm_80" })).origin).toBe("compiled");
    expect(log).toEqual([
      expect.stringMatching(/^compiled kernels are kept in memory only: .*cache cannot be used: EEXIST/),
    ]);
    expect(first.state().fault).toMatch(/EEXIST/);
  });

  it("leaves no half-written file when writing fails in the middle", () => {
    jit().jit.compile(request());
    const [name] = entries();
    rmSync(join(cache, name!));
    mkdirSync(join(cache, name!, "in the way"), { recursive: true });
    const { jit: second, log } = jit();
    expect(second.compile(request()).origin).toBe("compiled");
    second.compile(request({ arch: "sm_80" }));
    expect(log.at(-1)).toMatch(/kept in memory only: .* cannot be used: E\w+: .*rename/);
    expect(log).toHaveLength(2);
    expect(entries()).toEqual([name]);
  });

  it("runs no code that another user could have put there", () => {
    jit().jit.compile(request());
    chmodSync(cache, 0o777);
    const { jit: open, log } = jit();
    expect(open.compile(request()).origin).toBe("compiled");
    expect(log).toEqual([expect.stringMatching(/cannot be used: other users may write to it$/)]);
    chmodSync(cache, 0o700);
    if (process.getuid?.() !== 0) return; // only root can give a folder away
    chownSync(cache, 12345, 12345);
    const { jit: foreign, log: said } = jit();
    expect(foreign.compile(request()).origin).toBe("compiled");
    expect(said).toEqual([expect.stringMatching(/cannot be used: it belongs to another user$/)]);
  });

  it("remembers a kernel that failed, with the compiler's log, and does not compile it again", async () => {
    const { jit: one } = jit();
    const bad = request({ source: "#error" });
    const failure = failureOf(() => one.compile(bad));
    expect(failure).toMatchObject({
      code: "ERR_NVRTC",
      api: "nvrtcCompileProgram",
      status: "NVRTC_ERROR_COMPILATION",
      message: "nvrtcCompileProgram failed: NVRTC_ERROR_COMPILATION; kernel scale\nline 1: #error",
    });
    expect(failureOf(() => one.compile(request({ source: "#error" })))).toBe(failure);
    await expect(one.warmUp([bad])).rejects.toBe(failure);
    expect(compilations()).toHaveLength(1);
    expect(one.state().failures).toEqual([{ name: "scale", message: failure.message }]);
  });

  it("refuses what is no architecture and no macro before it compiles", () => {
    const { jit: one } = jit();
    for (const change of [
      { arch: "compute_90" },
      { arch: "sm_90 --evil" },
      { macros: { "A B": 1 } },
      { macros: { A: "1\n-x" } },
    ]) {
      expect(failureOf(() => one.compile(request(change))).code).toBe("ERR_QKNORM_ARGUMENT");
    }
    expect(compilations()).toEqual([]);
  });

  it("warms up off the main thread, each kernel once, all of them although one fails", async () => {
    const { jit: one } = jit();
    const good = [80, 86, 89, 90].map((arch) => request({ arch: `sm_${arch}` }));
    const warm = one.warmUp([...good, ...good, request({ source: "#error" })]);
    await expect(warm).rejects.toMatchObject({ code: "ERR_NVRTC", status: "NVRTC_ERROR_COMPILATION" });
    expect(compilations()).toHaveLength(5);
    for (const kernel of good) expect(one.compile(kernel).cubin.length).toBeGreaterThan(0);
    await one.warmUp(good);
    expect(compilations()).toEqual([]);
  });

  it("leaves two of the four threads that files are read with to others", async () => {
    scripted({ nap: 30 });
    await jit().jit.warmUp([75, 80, 86, 89, 90].map((arch) => request({ arch: `sm_${arch}` })));
    const atOnce = notes().filter((note) => note.startsWith("at once"));
    expect([...new Set(atOnce)].sort()).toEqual(["at once 1", "at once 2"]);
    expect(atOnce).toHaveLength(5);
  });

  it("opens the builtins of its folder before NVRTC", () => {
    const [library, builtins] = ["libnvrtc.so.12", "libnvrtc-builtins.so.12.4"].map((name) =>
      join(folder, name),
    );
    placeLibrary(library!);
    writeFileSync(builtins!, "no library");
    const env = { QKNORM_LIBCUDA: "/nowhere", QKNORM_LIBNVRTC: library! };
    expect(inProcess(env, "(native) => native.openNvrtc()")).toMatchObject({
      path: library,
      tried: [{ path: builtins, reason: expect.stringMatching(/file too short|invalid ELF/) }],
    });
  });

  it("takes seeds where there is no NVRTC, and says what is missing for the rest", () => {
    const seed = join(folder, "seed");
    mkdirSync(seed);
    jit().jit.seed(seed, [request()]);
    chmodSync(seed, 0o500);
    const body = `(native, attempt) => {
      const jit = new native.Jit({ folder: null });
      const request = ${JSON.stringify(request())};
      return [jit.compile(request).origin, attempt(() => jit.compile({ ...request, arch: "sm_80" })), jit.state()];
    }`;
    const env = {
      QKNORM_LIBCUDA: "/nowhere",
      QKNORM_LIBNVRTC: "/nowhere/libnvrtc.so.12",
      QKNORM_CUBINS: seed,
    };
    const [origin, failure, state] = inProcess(env, body) as [string, object, object];
    expect(origin).toBe("seed");
    expect(failure).toMatchObject({
      code: "ERR_NVRTC",
      message: expect.stringMatching(
        /^no usable NVRTC, which compiles the kernels; tried \/nowhere\/libnvrtc/,
      ),
    });
    expect(state).toMatchObject({ fault: "it is switched off", seeds: [{ folder: seed, entries: 1 }] });
    chmodSync(seed, 0o700);
  });

  it("passes over an NVRTC that is too old, or newer than what the driver runs", () => {
    const body = "(native, attempt) => attempt(() => native.openNvrtc())";
    const opening = (env: Record<string, string>) =>
      inProcess({ QKNORM_LIBNVRTC: fakeLibrary, ...env }, body);
    scripted({ nvrtc: 11 });
    const none = { QKNORM_LIBCUDA: "/nowhere" };
    expect(opening(none)).toMatchObject({
      code: "ERR_NVRTC",
      tried: [{ path: fakeLibrary, reason: "it is of CUDA 11.4, and this package needs 12" }],
    });
    scripted({ nvrtc: 13 });
    expect(opening({ QKNORM_LIBCUDA: fakeLibrary })).toMatchObject({
      tried: [{ reason: "it is of CUDA 13.4, and the driver runs no cubins later than CUDA 12" }],
    });
    expect(opening(none)).toMatchObject({ path: fakeLibrary, version: "13.4", tried: [] });
  });
});
