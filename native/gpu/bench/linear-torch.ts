import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ProductSize } from "./linear-sizes.ts";

/** Lines of what PyTorch takes for the same products in a graph, weights cold; or why there are none. */
export function torchProducts(
  sizes: readonly ProductSize[],
  rows: readonly number[],
  seconds: number,
): string[] {
  const script = fileURLToPath(new URL("./linear_torch.py", import.meta.url));
  const input = JSON.stringify({ sizes, rows, seconds });
  const { stdout, stderr, status } = spawnSync("python3", [script], {
    ...{ input, encoding: "utf8", timeout: 1000 * (seconds + 30), maxBuffer: 2 ** 24 },
  });
  const lines = (stdout ?? "").split("\n").filter((line) => line !== "");
  return status === 0 ? lines : [...lines, `# PyTorch: ${(stderr ?? "").trim().split("\n").at(-1)}`];
}
