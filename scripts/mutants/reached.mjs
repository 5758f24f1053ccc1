// A set-up file of the run that comes before any fault: probes at the places of the faults call `reached`, and each test file leaves the
// numbers of those that it came by, and the names of the CUDA kernels that it ran on the stand-in driver.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, expect } from "vitest";

const folder = process.env.QKNORM_REACHED;
if (folder !== undefined) {
  const numbers = new Set();
  globalThis.reached = (number) => {
    numbers.add(number);
  };
  afterAll(() => {
    const file = expect.getState().testPath;
    writeFileSync(
      join(folder, `${basename(file)}-${process.pid}.json`),
      JSON.stringify({ file, numbers: [...numbers], kernels: kernels() }),
    );
  });
}

/** By what is compiled of each, which stays loaded; known on Linux, where alone there is a stand-in driver. */
function kernels() {
  const maps = existsSync("/proc/self/maps") ? readFileSync("/proc/self/maps", "utf8") : "";
  return [...new Set([...maps.matchAll(/\/(\w+)-[0-9a-f]{32}\.so$/gm)].map(([, name]) => name))];
}
