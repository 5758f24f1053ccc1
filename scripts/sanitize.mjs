// npm run sanitize:asan, sanitize:tsan [file ...]: builds the addon and the stand-in driver with sanitizers, each in a folder of its
// own below .qknorm/, and runs the native and tensor suites with them, or the given test files. What they find ends the process
// that did it, so that its tests fail.
import { spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { root, setUp } from "./setup.mjs";

const KINDS = {
  asan: {
    sanitizers: "address,undefined",
    runtime: "libasan.so",
    // Node's own memory at exit is not ours to judge; leaks of device memory are what the stand-in driver counts.
    environment: { ASAN_OPTIONS: "detect_leaks=0:use_sigaltstack=0", UBSAN_OPTIONS: "print_stacktrace=1" },
    tests: ["native/test", "native/src", "packages/tensor"],
  },
  tsan: {
    sanitizers: "thread",
    runtime: "libtsan.so",
    environment: { TSAN_OPTIONS: `halt_on_error=1:suppressions=${join(root, "scripts", "tsan.supp")}` },
    tests: ["native/test/thread-pool.test.ts", "native/test/cuda-"],
  },
};

const kind = KINDS[process.argv[2]];
if (kind === undefined) throw new Error(`sanitize takes ${Object.keys(KINDS).join(" or ")}`);
const reason = setUp();
if (reason !== null) throw new Error(`no native addon to sanitize: ${reason}`);
const out = join(root, ".qknorm", `sanitize-${process.argv[2]}`);
const cmakeJs = join(root, "native", "node_modules", "cmake-js", "bin", "cmake-js");
must([cmakeJs, "compile", "--out", out, `--CDQKNORM_SANITIZE=${kind.sanitizers}`], {
  cwd: join(root, "native"),
});
must(
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    // What is instrumented takes several times as long.
    "--testTimeout=900000",
    "--hookTimeout=900000",
    ...(process.argv.length > 3 ? process.argv.slice(3) : kind.tests),
  ],
  {
    cwd: root,
    env: {
      ...process.env,
      ...kind.environment,
      LD_PRELOAD: runtime(kind.runtime),
      QKNORM_NATIVE_PATH: join(out, "Release", "qknorm.node"),
      QKNORM_FAKE_FLAGS: `-g -fsanitize=${kind.sanitizers} -fno-sanitize-recover=all`,
    },
  },
);

function runtime(name) {
  // As make has it: a compiler may come behind a cache.
  const [compiler, ...before] = (process.env.CXX || "c++").trim().split(/\s+/);
  const { stdout, error } = spawnSync(compiler, [...before, `-print-file-name=${name}`], {
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  return realpathSync(stdout.trim());
}

function must(args, options) {
  const { status, error } = spawnSync(process.execPath, args, { stdio: "inherit", ...options });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
