import { cpSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, inject, it } from "vitest";
import { root } from "../setup.mjs";
import { run } from "./project.mjs";
import { executables, runtimes } from "./runtimes.mjs";

const projects = inject("projects");
const native = Object.entries(runtimes).filter(([name]) => name !== "Deno without permissions");
const nodes = native.filter(([name]) => name.startsWith("Node"));
const checkpoint = join(root, "checkpoints/qwen3-sums");

/** Runs a program of ./programs in a project, and gives the JSON that it prints. */
function start([executable, ...args], program, folder, env) {
  return JSON.parse(run(executable, [...args, program], folder, env).stdout);
}

const fused = {
  explained: "fused by cpu-native, in place: 3 tokens, 4 query heads and 2 KV heads of 64",
  running: expect.stringMatching(/^native kernels/),
  reason: null,
};

describe.each(["npm", "pnpm"])("installed by %s", (installer) => {
  const folder = projects[installer];

  it.each(native)(
    "%s imports them and runs a fused native call, right to the last bits of f32",
    (_, runtime) => {
      const call = start(runtime, "call.mjs", folder);
      expect(call).toMatchObject(fused);
      expect(call.error).toBeLessThan(1e-6);
    },
  );

  it.each(nodes)("%s requires them too, and has one copy of each", (_, runtime) => {
    expect(start(runtime, "require.cjs", folder)).toMatchObject({
      one: true,
      providers: ["cpu-native", "cpu-typescript"],
      shape: [2, 3],
      reason: null,
    });
  });

  it.each(native)("%s loads a checkpoint and answers a sum", (_, [executable, ...args]) => {
    expect(run(executable, [...args, "answer.mjs", checkpoint], folder).stdout.trim()).toBe("42");
  });
});

describe("without the addon", () => {
  it.each(native)(
    "%s runs the same call in TypeScript, and says what brings the native one",
    (_, runtime) => {
      const call = start(runtime, "call.mjs", projects.withoutAddon);
      expect(call).toMatchObject({ running: "TypeScript kernels" });
      expect(call.error).toBeLessThan(1e-6);
      expect(call.reason).toMatch(/native-linux-x64-glibc is not installed beside /);
      expect(call.remedy).toMatch(
        /^`npm install @qknorm\/native-linux-x64-glibc@\d+\.\d+\.\d+`: it is an optional/,
      );
    },
  );

  it("qknorm doctor says how to install it", () => {
    const doctor = join(projects.withoutAddon, "node_modules/.bin/qknorm");
    const { stdout } = run(executables.node20, [doctor, "doctor"], projects.withoutAddon);
    expect(stdout).toMatch(/\nNext: `npm install @qknorm\/native-linux-x64-glibc@\d+\.\d+\.\d+`: /);
  });

  it("gives the bits of the native one", () => {
    const [, runtime] = nodes[0];
    const bits = (folder) => start(runtime, "call.mjs", folder).bits;
    expect(bits(projects.withoutAddon)).toBe(bits(projects.npm));
  });
});

it("Deno that may read no environment and open no library falls back, and says what to allow", () => {
  const call = start(runtimes["Deno without permissions"], "call.mjs", projects.npm);
  expect(call).toMatchObject({ running: "TypeScript kernels" });
  expect(call.error).toBeLessThan(1e-6);
  expect(call.remedy).toBe("give Deno --allow-read, --allow-env and --allow-ffi");
});

describe("the commands", () => {
  const bin = (name) => join(projects.npm, "node_modules/.bin", name);

  it.each(nodes)("qknorm doctor finds the installed addon on %s", (_, [node]) => {
    const { addon, providers } = JSON.parse(
      run(node, [bin("qknorm"), "doctor", "--json"], projects.npm).stdout,
    );
    expect(addon.path).toBe(join(projects.npm, "node_modules/@qknorm/native-linux-x64-glibc/qknorm.node"));
    expect(providers.find(({ name }) => name.startsWith("cpu"))).toMatchObject({ ready: true });
  });

  it.each(nodes)("qknorm-run answers on %s", (_, [node]) => {
    const { stdout } = run(node, [bin("qknorm-run"), "-m", checkpoint, "-p", "12+30="], projects.npm);
    expect(stdout).toContain("42");
  });

  it.each(nodes)("qknorm-codemod finds the copies of a model repository on %s", (_, [node]) => {
    const folder = join(projects.place, "model-repo");
    cpSync(join(root, "examples/model-repo/src"), folder, { recursive: true });
    const { stdout } = run(node, [bin("qknorm-codemod"), folder], projects.npm);
    expect(stdout).toMatch(/QK norm: 8 copies of the step in \d+ files/);
  });
});

it("what QKNORM_NATIVE_PATH names is taken in place of what is installed", () => {
  const path = join(projects.npm, "node_modules/@qknorm/native-linux-x64-glibc/qknorm.node");
  const env = { QKNORM_NATIVE_PATH: path };
  expect(start([executables.node20], "call.mjs", projects.withoutAddon, env)).toMatchObject(fused);
});
