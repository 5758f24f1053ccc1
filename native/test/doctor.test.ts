import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { run } from "../src/doctor/cli.ts";
import type { CpuFindings } from "../src/doctor/findings.ts";
import { report } from "../src/doctor/report.ts";
import { stepsTo, verdictOf } from "../src/doctor/verdict.ts";
import type { Diagnosis } from "../src/index.ts";
import { fakeLibrary, folder, missing, scripted } from "./cuda-fake.ts";
import { isas } from "./qk-norm-case.ts";

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
    expect(run(["--help"])).toMatchObject({ status: 0, out: expect.stringMatching(/^usage: qknorm doctor/) });
    expect(run([])).toMatchObject({ status: 2, out: "", err: expect.stringMatching(/^usage/) });
    expect(run(["nurse"])).toMatchObject({ status: 2, err: expect.stringMatching(/^unknown: nurse\nusage/) });
    expect(run(["doctor", "--jsn"]).err).toMatch(/^unknown: --jsn/);
    expect(run(["doctor", "--require", "tpu"]).err).toMatch(/^--require takes cuda or native, got tpu\n/);
    expect(run(["doctor", "--require"]).err).toMatch(/^--require takes cuda or native, got nothing\n/);
    expect(run(["doctor", "--json", "--verbose"]).status).toBe(2);
    expect(qknorm(["nurse"])).toMatchObject({ status: 2, stdout: "", stderr: expect.stringMatching(/^unk/) });
  });

  it("goes without the addon, saying why nothing native is ready", () => {
    const diagnosis = diagnose({ QKNORM_NATIVE: "off" });
    const { addon, cpu, driver, providers, verdict } = diagnosis;
    expect(addon).toMatchObject({ reason: "QKNORM_NATIVE=off switches it off" });
    expect(verdict).toMatchObject({ provider: "cpu-typescript", next: ["let go of QKNORM_NATIVE=off"] });
    for (const part of [cpu, driver])
      expect(part).toMatchObject({ reason: expect.stringContaining("QKNORM_NATIVE") });
    expect(providers.map(({ name, ready }) => [name, ready])).toEqual([
      ["cuda", false],
      ["cpu-native", false],
      ["cpu-typescript", true],
    ]);
    const stdout = report(diagnosis, "short");
    expect(stdout).toMatch(/^Everything runs, on plain TypeScript kernels\nSlow: .*\nNext: .+\n/);
    expect(stdout).toMatch(/addon +none: QKNORM_NATIVE=off/);
    expect(stdout.split("QKNORM_NATIVE=off switches it off")).toHaveLength(2);
    expect(stdout).toMatch(/ cuda +not ready: no usable addon\n +cpu-native +not ready: no usable addon\n/);
    expect(stdout).toMatch(/ driver +no usable addon\n +NVRTC +no usable addon\n/);
    const required = qknorm(["doctor", "--require=native"], { QKNORM_NATIVE: "off" });
    expect(required).toMatchObject({ status: 1, stdout: expect.stringMatching(/^Everything runs/) });
    expect(required.stderr).toMatch(/^native is required and not ready: QKNORM_NATIVE=off .*; next: /);
  });

  it("says of an addon that cannot be opened what the loader says of it", () => {
    const { addon, verdict } = diagnose({ QKNORM_NATIVE_PATH: bin });
    expect(addon).toMatchObject({ reason: expect.stringMatching(/qknorm\.mjs cannot be opened: /) });
    expect(verdict.next).toEqual(["go without QKNORM_NATIVE_PATH, or name another file"]);
  });

  it("says in a clone that is not set up what to do, with nothing but Node", () => {
    const clone = mkdtempSync(join(tmpdir(), "qknorm-clone-"));
    try {
      for (const part of ["bin", "src"]) {
        mkdirSync(join(clone, "native"), { recursive: true });
        cpSync(fileURLToPath(new URL(`../${part}`, import.meta.url)), join(clone, "native", part), {
          recursive: true,
        });
      }
      const inClone = (...args: string[]) =>
        spawnSync(process.execPath, [join(clone, "native/bin/qknorm.mjs"), "doctor", ...args], {
          encoding: "utf8",
          env: { ...clean, PATH: "" },
        });
      expect(inClone()).toMatchObject({
        status: 0,
        stderr: "",
        stdout: expect.stringMatching(
          /^Nothing runs yet: this clone is not set up\nNext: `npm run setup`\nThen: .*no C\+\+ compiler and no CMake here\nGPU: /,
        ),
      });
      expect(inClone("--require", "native").status).toBe(1);
      expect(JSON.parse(inClone("--json").stdout).verdict.next).toEqual(["`npm run setup`"]);
    } finally {
      rmSync(clone, { recursive: true });
    }
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
    const diagnosis = diagnose(nowhere);
    const { driver, nvrtc, providers, verdict } = diagnosis;
    expect(driver).toMatchObject({
      reason: "no usable CUDA driver",
      tried: [{ path: "/nowhere/libcuda.so" }],
    });
    expect(nvrtc).toMatchObject({ tried: [{ path: "/nowhere/libnvrtc.so.12" }] });
    expect(providers[0]).toEqual({ name: "cuda", ready: false, because: "no usable CUDA driver" });
    const stdout = report(diagnosis, "verbose");
    expect(stdout).toMatch(/\n {6}\/nowhere\/libcuda\.so: cannot open shared object file/);
    expect(stdout).toMatch(/cuda +not ready: no usable CUDA driver\n/);
    expect(report(diagnosis, "short")).not.toContain("/nowhere");
    expect(verdict.next).toEqual([]);
    expect(stdout).toMatch(/^Nothing more to do here\.$/m);
    const step = "install an NVIDIA driver, or name its libcuda.so.1 in QKNORM_LIBCUDA";
    const required = qknorm(["doctor", "--require", "native", "--require", "cuda"], nowhere);
    expect(required).toMatchObject({
      status: 1,
      stderr: `cuda is required and not ready: no usable CUDA driver; next: ${step}\n`,
      stdout: expect.stringContaining(`\nNext: ${step}\n`),
    });
    expect(required.stdout).not.toContain("Nothing more to do");
    expect(qknorm(["doctor", "--require=cuda"], { QKNORM_CUDA: "off" }).stderr).toMatch(
      /: QKNORM_CUDA=off switches CUDA off; next: let go of QKNORM_CUDA=off\n$/,
    );
  });

  it("shows the processor's part", () => {
    const { cpu, providers, verdict, speed, versions } = diagnose({
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
    expect(providers[1]).toEqual({
      name: "cpu-native",
      ready: true,
      because: "scalar on 3 threads",
    });
    // What the processes of other tests leave of the processor is not known: a figure, and no bound on it.
    expect(verdict.runs).toBe("Everything runs on the CPU, by native kernels: scalar on 3 threads");
    const best = isas.at(-1);
    expect(verdict.next).toEqual(
      best === "scalar" ? [] : [`let go of QKNORM_CPU_ISA: it forces scalar, and this processor has ${best}`],
    );
    expect(verdict.speed).toMatch(
      /^QK norm of 512 tokens, 16 query and 8 KV heads of 128, bf16: [\d.]+ (us|ms) by cpu-native$/,
    );
    expect(speed).toEqual([{ provider: "cpu-native", microseconds: expect.any(Number) }]);
    expect(versions).toEqual({
      native: expect.stringMatching(/^\d+\.\d+\.\d+/),
      core: expect.stringMatching(/^\d+\.\d+\.\d+/),
      binding: expect.any(Number),
      nodeApi: process.versions.napi,
    });
    expect(diagnose({ ...nowhere, QKNORM_CPU_ISA: "sse9" }).providers[1]).toMatchObject({
      ready: false,
      because: expect.stringContaining('QKNORM_CPU_ISA is "sse9"'),
    });
  });

  it("finds nothing to let go of where the library itself chose another instruction set than the last", () => {
    const diagnosis = diagnose(nowhere);
    const cpu = { ...(diagnosis.cpu as CpuFindings), isa: "avx512", isas: [...isas, "avx512bf16"] } as const;
    expect(verdictOf({ ...diagnosis, cpu }).next).toEqual([]);
  });

  it("shows driver, devices, compiler and cache where they are", () => {
    const diagnosis = diagnose(fake);
    const { driver, devices, nvrtc, jit, providers, verdict, speed } = diagnosis;
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
    expect(verdict.runs).toBe(
      "Everything runs on the GPU: Fake 0, cuda:0, cuda:1, kernels compiled by NVRTC 12.4",
    );
    expect(speed.map(({ provider }) => provider)).toEqual(["cuda", "cpu-native"]);
    expect(speed[0]).toMatchObject({ microseconds: expect.any(Number) });
    const stdout = report(diagnosis, "short");
    expect(stdout).toMatch(/cuda:1 +Fake 1, sm_90, 132 multiprocessors, 512 MiB of 1024 MiB free/);
    expect(stdout).toMatch(/ runs all \d+ ops: qkNorm, qkNormRope, .*\n +decodes by one captured graph/);
  });

  it("says which part of CUDA is missing, and what to do where CUDA is asked for", () => {
    const because = (settings: Record<string, number>, env: Record<string, string> = {}) => {
      scripted(settings);
      const diagnosis = diagnose({ ...fake, ...env });
      return { ...diagnosis.providers[0], step: stepsTo("cuda", diagnosis)[0] };
    };
    expect(because({ devices: 0 })).toMatchObject({
      ready: false,
      because: "the driver shows no device",
      step: expect.stringMatching(/^let this process see a GPU/),
    });
    expect(because({ pools: 0 })).toMatchObject({
      ready: false,
      because: "no device has stream-ordered memory",
      step: expect.stringMatching(/^mend what is said of the devices below/),
    });
    expect(because({ cuDevicePrimaryCtxRetain: 2 })).toMatchObject({
      ready: false,
      because: expect.stringContaining("cuDevicePrimaryCtxRetain failed: CUDA_ERROR_OUT_OF_MEMORY"),
      step: expect.stringMatching(/^mend what is said of the devices below/),
    });
    expect(because({ nvrtc: 13, capability: 8 })).toMatchObject({
      ready: false,
      because: "no usable NVRTC, which compiles the kernels, and nothing is shipped for sm_80",
      step: expect.stringMatching(/^`pip install nvidia-cuda-nvrtc-cu12`/),
    });
  });

  it("stands on kernels made before where there is no NVRTC, and says so of each device", () => {
    writeFileSync(join(folder, "one-12.4.cubin"), "");
    const env = { ...fake, QKNORM_LIBNVRTC: "/nowhere", QKNORM_CUBINS: folder };
    const diagnosis = diagnose(env);
    const { devices, providers } = diagnosis;
    expect(devices).toMatchObject([{ rung: { name: "cubins" } }, { rung: { name: "cubins" } }]);
    expect(providers[0]).toEqual({
      name: "cuda",
      ready: true,
      because: expect.stringMatching(
        "^cuda:0, cuda:1, \\d+ kernels shipped for sm_90, 1 in seeds; no NVRTC to compile others$",
      ),
    });
    const stdout = report(diagnosis, "short");
    expect(stdout).toMatch(/^QK norm runs on the GPU, and nothing else of a model: Fake 0, /);
    expect(stdout).toMatch(
      /\nNext: `pip install nvidia-cuda-nvrtc-cu12`, or name the file in QKNORM_LIBNVRTC/,
    );
    expect(stdout).toMatch(/cuda:0 +Fake 0.*\n +rung cubins: \d+ kernels shipped/);
    expect(stdout).toMatch(/runs qkNorm and normalize in the shipped forms; waits for NVRTC: qkNormRope, /);
    rmSync(join(folder, "one-12.4.cubin"));
  });

  it("says that cubins stay in memory, and why", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const stdout = (value: string) => report(diagnose({ ...nowhere, QKNORM_CACHE: value }), "short");
    expect(stdout(file)).toMatch(/cubins +in memory only; .*file: EEXIST/);
    expect(stdout("off")).toMatch(/cubins +in memory only; the folder: it is switched off/);
    expect(stdout("relative")).toMatch(/cubins +none: QKNORM_CACHE must be an absolute path/);
  });
});
