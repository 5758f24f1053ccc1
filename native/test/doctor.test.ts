import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { Diagnosis } from "../src/index.ts";
import { fakeLibrary, folder, missing, scripted } from "./cuda-fake.ts";

const bin = fileURLToPath(new URL("../bin/qknorm.mjs", import.meta.url));
const cache = mkdtempSync(join(tmpdir(), "qknorm-doctor-"));
afterAll(() => rmSync(cache, { recursive: true }));

// Whatever this run was started with is not what these tests are about.
const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("QKNORM_")));

function qknorm(args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
    env: { ...clean, QKNORM_CACHE: cache, ...env },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

function diagnose(env: Record<string, string> = {}): Diagnosis {
  return JSON.parse(qknorm(["doctor", "--json"], env).stdout) as Diagnosis;
}

describe("qknorm doctor", () => {
  it("explains itself, and refuses what it does not know", () => {
    expect(qknorm(["--help"])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^usage: qknorm doctor/),
    });
    expect(qknorm([])).toMatchObject({ status: 2, stdout: "", stderr: expect.stringMatching(/^usage/) });
    expect(qknorm(["nurse"])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^unknown: nurse\nusage/),
    });
    expect(qknorm(["doctor", "--jsn"]).stderr).toMatch(/^unknown: --jsn/);
  });

  it("goes without the addon, saying why nothing native is ready", () => {
    const { addon, cpu, driver, providers } = diagnose({ QKNORM_NATIVE: "off" });
    expect(addon).toEqual({ reason: "QKNORM_NATIVE=off switches it off" });
    for (const part of [cpu, driver])
      expect(part).toMatchObject({ reason: expect.stringContaining("QKNORM_NATIVE") });
    expect(providers.map(({ name, ready }) => [name, ready])).toEqual([
      ["cuda", false],
      ["cpu", false],
      ["typescript", true],
    ]);
    const { status, stdout } = qknorm(["doctor"], { QKNORM_NATIVE: "off" });
    expect(status).toBe(0);
    expect(stdout).toMatch(/addon +none: QKNORM_NATIVE=off/);
  });
});

describe.skipIf(missing !== "")(`qknorm doctor with the addon${missing}`, () => {
  const fake = {
    QKNORM_FAKE: join(folder, "script"),
    QKNORM_LIBCUDA: fakeLibrary,
    QKNORM_LIBNVRTC: fakeLibrary,
  };
  const nowhere = { QKNORM_LIBCUDA: "/nowhere/libcuda.so", QKNORM_LIBNVRTC: "/nowhere/libnvrtc.so.12" };

  beforeEach(() => scripted());

  it("lists each path that was tried for a library that is not there", () => {
    const { driver, nvrtc, providers } = diagnose(nowhere);
    expect(driver).toMatchObject({
      reason: "no usable CUDA driver",
      tried: [{ path: "/nowhere/libcuda.so" }],
    });
    expect(nvrtc).toMatchObject({ tried: [{ path: "/nowhere/libnvrtc.so.12" }] });
    expect(providers[0]).toEqual({ name: "cuda", ready: false, because: "no usable CUDA driver" });
    const { stdout } = qknorm(["doctor"], nowhere);
    expect(stdout).toMatch(/\n {6}\/nowhere\/libcuda\.so: cannot open shared object file/);
    expect(stdout).toMatch(/cuda +not ready: no usable CUDA driver\n/);
  });

  it("shows the processor's part", () => {
    const { cpu, providers } = diagnose({
      ...nowhere,
      QKNORM_CPU_ISA: "scalar",
      QKNORM_THREADS: "3",
      QKNORM_BLAS: "off",
    });
    expect(cpu).toMatchObject({
      isa: "scalar",
      threads: 3,
      openBlas: { library: null, tried: ["none: QKNORM_BLAS=off"] },
    });
    expect(providers[1]).toEqual({ name: "cpu", ready: true, because: "scalar on 3 threads" });
    expect(diagnose({ ...nowhere, QKNORM_CPU_ISA: "sse9" }).providers[1]).toMatchObject({
      ready: false,
      because: expect.stringContaining('QKNORM_CPU_ISA is "sse9"'),
    });
  });

  it("shows driver, devices, compiler and cache where they are", () => {
    const { driver, devices, nvrtc, jit, providers } = diagnose(fake);
    expect(driver).toMatchObject({ path: fakeLibrary, version: "12.4", devices: 2 });
    expect(devices).toMatchObject([
      { ordinal: 0, name: "Fake 0", arch: "sm_90", liveBytes: 0 },
      { ordinal: 1, name: "Fake 1" },
    ]);
    expect(nvrtc).toMatchObject({ path: fakeLibrary, version: "12.4" });
    expect(jit).toMatchObject({ folder: cache, fault: null, stored: { entries: 0, bytes: 0 } });
    expect(providers[0]).toEqual({
      name: "cuda",
      ready: true,
      because: "cuda:0, cuda:1, kernels compiled by NVRTC 12.4",
    });
    expect(qknorm(["doctor"], fake).stdout).toMatch(
      /cuda:1 +Fake 1, sm_90, 132 multiprocessors, 512 MiB of 1024 MiB free/,
    );
  });

  it("says which part of CUDA is missing", () => {
    const because = (settings: Record<string, number>, env: Record<string, string> = {}) => {
      scripted(settings);
      return diagnose({ ...fake, ...env }).providers[0];
    };
    expect(because({ devices: 0 })).toMatchObject({ ready: false, because: "the driver shows no device" });
    expect(because({ pools: 0 })).toMatchObject({
      ready: false,
      because: "no device has stream-ordered memory",
    });
    expect(because({ cuDevicePrimaryCtxRetain: 2 })).toMatchObject({
      ready: false,
      because: expect.stringContaining("cuDevicePrimaryCtxRetain failed: CUDA_ERROR_OUT_OF_MEMORY"),
    });
    expect(because({ nvrtc: 13, capability: 8 })).toMatchObject({
      ready: false,
      because: "no usable NVRTC, which compiles the kernels, and nothing is shipped for sm_80",
    });
  });

  it("stands on kernels made before where there is no NVRTC, and says so of each device", () => {
    writeFileSync(join(folder, "one-12.4.cubin"), "");
    const env = { ...fake, QKNORM_LIBNVRTC: "/nowhere", QKNORM_CUBINS: folder };
    const { devices, providers } = diagnose(env);
    expect(devices).toMatchObject([{ rung: { name: "cubins" } }, { rung: { name: "cubins" } }]);
    expect(providers[0]).toEqual({
      name: "cuda",
      ready: true,
      because: expect.stringMatching(
        "^cuda:0, cuda:1, \\d+ kernels shipped for sm_90, 1 in seeds; no NVRTC to compile others$",
      ),
    });
    expect(qknorm(["doctor"], env).stdout).toMatch(/cuda:0 +Fake 0.*\n +rung cubins: \d+ kernels shipped/);
    rmSync(join(folder, "one-12.4.cubin"));
  });

  it("says that cubins stay in memory, and why", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const stdout = (value: string) => qknorm(["doctor"], { ...nowhere, QKNORM_CACHE: value }).stdout;
    expect(stdout(file)).toMatch(/cubins +in memory only; .*file: EEXIST/);
    expect(stdout("off")).toMatch(/cubins +in memory only; the folder: it is switched off/);
    expect(stdout("relative")).toMatch(/cubins +none: QKNORM_CACHE must be an absolute path/);
  });
});
