import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundle } from "./gpu-bundle.mjs";
import { setUp } from "./setup.mjs";

const missing = process.platform !== "linux" || process.arch !== "x64" ? "not x86-64 Linux" : setUp();
const place = mkdtempSync(join(tmpdir(), "qknorm-folder-"));
const folder = join(place, "a folder");

afterAll(() => rmSync(place, { recursive: true, force: true }));

/** Runs the folder from elsewhere, with nothing in the environment but `env`. */
function run(args, env = {}) {
  const { status, stdout, stderr } = spawnSync(join(folder, "run"), args, {
    cwd: place,
    env,
    encoding: "utf8",
  });
  return { status, out: `${stdout}${stderr}` };
}

async function until(holds) {
  while (!holds()) await setTimeout(20);
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe.skipIf(missing !== null)(
  `the portable folder${missing === null ? "" : ` (skipped: ${missing})`}`,
  () => {
    beforeAll(async () => {
      await bundle(folder, { node: "link" });
    }, 60_000);

    it("says what it runs, with an empty environment and from any place", () => {
      expect(run([])).toMatchObject({ status: 2, out: expect.stringContaining("./run doctor [--json]") });
      symlinkSync(folder, join(place, "link"));
      const { status } = spawnSync(join(place, "link", "run"), ["doctor"], {
        cwd: "/",
        env: { PATH: "/nowhere" },
      });
      expect(status).toBe(0);
    });

    it("finds its own addon and says why there is no GPU", () => {
      const { addon, driver } = JSON.parse(run(["doctor", "--json"], { QKNORM_LIBCUDA: "/nowhere" }).out);
      expect(addon.path).toBe(join(folder, "native/build/Release/qknorm.node"));
      expect(driver.tried[0].path).toBe("/nowhere");
    });

    it("skips every test without a GPU, says so, fails, and leaves a log", () => {
      const { status, out } = run(["test"], { QKNORM_LIBCUDA: "/nowhere" });
      expect(out).toMatch(/^NO GPU: no usable CUDA driver; every test that needs one is skipped/);
      expect(out).toMatch(/\n0 passed, 0 failed, \d+ skipped\n$/);
      expect(status).toBe(1);
      expect(readFileSync(join(place, "gpu-test.log"), "utf8")).toBe(out);
    });

    it("runs tests under a tool of compute-sanitizer, which hears of each, and fails by what it finds", () => {
      const tools = join(place, "tools");
      mkdirSync(tools);
      const sanitizer = (end) => `#!/bin/sh
[ "$1 $2 $3 $4 $5" = "--tool racecheck --error-exitcode 86 ${process.execPath}" ] || exit 1
"$5" "$6" "$7"
${end}
`;
      const outcome = (end, text = sanitizer(end)) => {
        writeFileSync(join(tools, "compute-sanitizer"), text, { mode: 0o755 });
        const args = ["test", "--under", "racecheck", "jit.gpu"];
        return run(args, { QKNORM_LIBCUDA: "/nowhere", PATH: tools }).out;
      };
      expect(outcome("exit 0")).toMatch(/\n0 passed, 0 failed, \d+ skipped\n$/);
      expect(outcome("exit 86")).toMatch(/the process ended with 86\n0 passed, 1 failed, \d+ skipped\n$/);
      expect(outcome("", "#!/bin/sh\nexit 0\n")).toMatch(/it told of no test\n0 passed, 1 failed\n$/);
      expect(run(["test", "--under", "racecheck", "jit.gpu"], { QKNORM_LIBCUDA: "/nowhere" }).out).toMatch(
        /compute-sanitizer is not on this machine/,
      );
    });

    it("goes through all of it, and names the parts that failed", () => {
      const { status, out } = run(["all"], { QKNORM_LIBCUDA: "/nowhere" });
      expect(out.match(/^---- .*|^FAILED:.*/gm)).toEqual([
        ...["doctor", "test", "sanitize", "bench"].map((part) => `---- ${part}`),
        "FAILED: test sanitize bench",
      ]);
      expect(status).toBe(1);
      expect(readFileSync(join(place, "gpu-bench.txt"), "utf8")).toMatch(/^NO GPU/);
    });

    // A file of tests that never ends.
    const hanging = `import { writeFileSync } from "node:fs";
      writeFileSync(process.env.HANGING, String(process.pid));
      await new Promise(() => setInterval(() => {}, 1000));`;

    it.each([
      ["SIGTERM", ["test", "hanging"], [null, "SIGTERM"]],
      ["SIGKILL", ["test", "hanging"], [null, "SIGKILL"]],
      ["SIGTERM", ["all"], [143, null]],
    ])("leaves no process behind when %s ends %j", async (signal, args, ended) => {
      const path = join(folder, "hanging.test.mjs");
      const told = join(place, `hanging-${signal}-${args[0]}`);
      writeFileSync(path, hanging);
      const env = { QKNORM_LIBCUDA: "/nowhere", HANGING: told };
      const child = spawn(join(folder, "run"), args, { cwd: place, env, stdio: "ignore" });
      await until(() => existsSync(told) && readFileSync(told, "utf8") !== "");
      const pid = Number(readFileSync(told, "utf8"));
      child.kill(signal);
      expect(await new Promise((done) => child.once("exit", (...end) => done(end)))).toEqual(ended);
      try {
        await until(() => !isAlive(pid));
      } finally {
        if (isAlive(pid)) process.kill(pid, "SIGKILL");
        rmSync(path);
      }
    });

    it("has no benchmark without a GPU", () => {
      const { status, out } = run(["bench"], { QKNORM_LIBCUDA: "/nowhere" });
      expect([status, out]).toEqual([1, "NO GPU: no usable CUDA driver; there is nothing to measure\n"]);
    });
  },
);
