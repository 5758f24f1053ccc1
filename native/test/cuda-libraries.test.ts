import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { driverCandidates, nvrtcCandidates, type SearchPlace } from "../src/cuda/library-paths.ts";
import { build, fakeLibrary, folder, inProcess, missing, placeLibrary, scripted } from "./cuda-fake.ts";

/** A machine that has these files alone. */
function machine(env: Record<string, string>, files: string[] = []): SearchPlace {
  return {
    env,
    platform: "linux",
    list: (at) => [
      ...new Set(
        files
          .filter((file) => file.startsWith(at === "/" ? "/" : `${at}/`))
          .map((file) => file.slice(at === "/" ? 1 : at.length + 1).split("/")[0]!),
      ),
    ],
  };
}

const tries = (candidates: ReturnType<typeof nvrtcCandidates>) =>
  candidates
    .filter(({ reason }) => reason === undefined)
    .map(({ path, loadedOnly }) => (loadedOnly ? `${path} (loaded)` : path));

describe("the search for NVRTC", () => {
  const site = "/venv/lib/python3.12/site-packages/nvidia/cu13/lib";
  const old = "/opt/py/lib/python3.9/site-packages/nvidia/cuda_nvrtc/lib";
  const place = machine(
    { VIRTUAL_ENV: "/venv", PATH: "/opt/py/bin:/nowhere", CONDA_PREFIX: "/conda", CUDA_HOME: "/cuda" },
    [
      ...["libnvrtc.so.13", "libnvrtc-builtins.so.13.0", "libnvrtc-builtins.alt.so.13.0"].map(
        (f) => `${site}/${f}`,
      ),
      ...["/opt/py/bin/python3", `${old}/libnvrtc.so.12`],
      ...["/conda/lib/libnvrtc.so.12", "/conda/lib/libnvrtc.so.13", "/cuda/lib64/libnvrtc.so.12"],
      ...["/usr/local/cuda-13.0/lib64/libnvrtc.so.13", "/usr/local/cuda-12.9/lib64/libnvrtc.so.12"],
      "/usr/local/cuda-12.10/lib64/libnvrtc.so.12",
    ],
  );

  it("goes from what is loaded over Python, conda and the system to toolkits, CUDA 13 before 12", () => {
    expect(tries(nvrtcCandidates(place))).toEqual([
      "libnvrtc.so.13 (loaded)",
      "libnvrtc.so.12 (loaded)",
      `${site}/libnvrtc.so.13`,
      `${old}/libnvrtc.so.12`,
      "/conda/lib/libnvrtc.so.13",
      "/conda/lib/libnvrtc.so.12",
      "libnvrtc.so.13",
      "libnvrtc.so.12",
      "/cuda/lib64/libnvrtc.so.12",
      "/usr/local/cuda-13.0/lib64/libnvrtc.so.13",
      "/usr/local/cuda-12.10/lib64/libnvrtc.so.12",
      "/usr/local/cuda-12.9/lib64/libnvrtc.so.12",
    ]);
  });

  it("opens the builtins of the same folder and version first", () => {
    const found = nvrtcCandidates(place).find(({ path }) => path.startsWith(site));
    expect(found?.first).toEqual([`${site}/libnvrtc-builtins.so.13.0`]);
  });

  it("looks into each version of pyenv, the newest first", () => {
    const wheel = (version: string) =>
      `/home/me/.pyenv/versions/${version}/site-packages/nvidia/cu13/lib/libnvrtc.so.13`;
    const files = ["3.9.1/lib/python3.9", "3.12.4/lib/python3.12"].map(wheel);
    const pyenv = machine({ PATH: "/home/me/.pyenv/shims" }, ["/home/me/.pyenv/shims/python3", ...files]);
    expect(tries(nvrtcCandidates(pyenv)).slice(2, 4)).toEqual(files.toReversed());
  });

  it("records the places that hold none", () => {
    const none = nvrtcCandidates(machine({ CUDA_PATH: "/gone" })).filter(
      ({ reason }) => reason !== undefined,
    );
    const paths = none.map(({ path }) => path);
    expect(paths).toContain("/gone/lib64");
    expect(paths).toContain("/usr/local/lib/python3*/dist-packages/nvidia/*/lib");
    expect(none[0]?.reason).toBe("no libnvrtc.so.13 or libnvrtc.so.12 there");
  });

  it("tries nothing but QKNORM_LIBNVRTC where that is set", () => {
    const chosen = machine(
      { ...place.env, QKNORM_LIBNVRTC: "/mine/libnvrtc.so.12" } as Record<string, string>,
      ["/mine/libnvrtc-builtins.so.12.8"],
    );
    expect(nvrtcCandidates(chosen)).toEqual([
      { path: "/mine/libnvrtc.so.12", first: ["/mine/libnvrtc-builtins.so.12.8"] },
    ]);
  });
});

describe("the search for the driver", () => {
  it("goes from what is loaded to its name to the folders of drivers", () => {
    const place = machine({}, ["/usr/lib64/libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"]);
    expect(tries(driverCandidates(place))).toEqual([
      "libcuda.so.1 (loaded)",
      "libcuda.so.1",
      "/usr/lib64/libcuda.so.1",
      "/usr/lib/wsl/lib/libcuda.so.1",
    ]);
  });

  it("tries nothing but QKNORM_LIBCUDA where that is set, and nothing at all off Linux", () => {
    expect(driverCandidates(machine({ QKNORM_LIBCUDA: "/x.so" }))).toEqual([{ path: "/x.so" }]);
    const reason = "this package runs it on Linux only";
    expect(driverCandidates({ ...machine({}), platform: "darwin" })).toEqual([{ path: "CUDA", reason }]);
    expect(nvrtcCandidates({ ...machine({}), platform: "darwin" })).toEqual([{ path: "CUDA", reason }]);
  });
});

const open = "(native, attempt) => attempt(() => native.openCuda())";
type Failure = { code: string; message: string; tried: { path: string; reason: string }[] };

describe.skipIf(missing !== "")(`opening the driver${missing}`, () => {
  beforeEach(() => scripted());

  const failing = (env: Record<string, string>) => inProcess(env, open) as Failure;
  const reasonOf = (env: Record<string, string>) => failing(env).tried.at(-1)?.reason;

  it("fails with every path tried, the same at each call", () => {
    const twice = "(native, attempt) => [0, 1].map(() => attempt(() => native.openCuda()))";
    const [first, second] = inProcess({ QKNORM_LIBCUDA: "/nowhere/libcuda.so" }, twice) as Failure[];
    expect(first).toMatchObject({
      code: "ERR_CUDA",
      message: expect.stringMatching(
        /^no usable CUDA driver; tried \/nowhere\/libcuda\.so: cannot open shared/,
      ),
      tried: [{ path: "/nowhere/libcuda.so" }],
    });
    expect(second).toEqual(first);
  });

  it("refuses what is no library, no driver, too old, incomplete or a stub, saying which", () => {
    const text = join(folder, "text.so");
    writeFileSync(text, "not a library");
    expect(reasonOf({ QKNORM_LIBCUDA: text })).toMatch(/text\.so: file too short|invalid ELF/);
    const incomplete = join(folder, "libincomplete.so");
    expect(build(incomplete, "-DWITHOUT_LAUNCH")).toBeNull();
    expect(reasonOf({ QKNORM_LIBCUDA: incomplete })).toBe("it has no cuLaunchKernelEx");
    scripted({ version: 11040 });
    expect(reasonOf({ QKNORM_LIBCUDA: fakeLibrary })).toBe(
      "too old: it runs CUDA 11.4 and this package needs 12.0 (NVIDIA driver 525 or newer)",
    );
    scripted({ cuInit: 34 });
    expect(reasonOf({ QKNORM_LIBCUDA: fakeLibrary })).toBe("a stub for linking, not a driver");
    scripted({ cuInit: 803 });
    expect(reasonOf({ QKNORM_LIBCUDA: fakeLibrary })).toBe("cuInit failed: CUDA_ERROR_SCRIPTED");
  });

  it("takes a driver without a device, and counts none", () => {
    const body = `(native, attempt) => [native.openCuda().devices, attempt(() => native.cudaDevice(0))]`;
    for (const settings of [{ cuInit: 100 }, { cuDeviceGetCount: 100 }, { devices: 0 }]) {
      scripted(settings);
      expect(inProcess({ QKNORM_LIBCUDA: fakeLibrary }, body)).toMatchObject([
        0,
        { code: "ERR_QKNORM_DEVICE" },
      ]);
    }
  });

  it("finds it by name where the system looks, and takes the one that is loaded before any other", () => {
    const there = join(folder, "libcuda.so.1");
    placeLibrary(there);
    expect(inProcess({ LD_LIBRARY_PATH: folder }, open)).toMatchObject({
      path: there,
      tried: [{ path: "libcuda.so.1", reason: "not loaded yet" }],
    });
    const loadFirst = `(native) => {
      native.loadBinding().binding.loadLibrary(${JSON.stringify(there)});
      return native.openCuda();
    }`;
    // By its own name the system knows it again.
    expect(build(there, "-Wl,-soname,libcuda.so.1")).toBeNull();
    expect(inProcess({}, loadFirst)).toMatchObject({ path: there, tried: [] });
    rmSync(there);
  });

  it("goes without when QKNORM_CUDA is off, or there is no addon", () => {
    expect(failing({ QKNORM_CUDA: "off" }).message).toBe("QKNORM_CUDA=off switches CUDA off");
    expect(failing({ QKNORM_NATIVE: "off" }).code).toBe("ERR_NATIVE");
  });
});
