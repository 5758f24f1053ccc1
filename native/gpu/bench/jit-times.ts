import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CudaDevice, CudaQkNorm, Jit } from "../../src/index.ts";
import { median } from "./timer.ts";

/** Milliseconds to a cubin of the fused kernel: compiled, from a disk cache, and from memory. Medians. */
export function measureJit(device: CudaDevice): { cold: number; disk: number; memory: number } {
  const requests = [64, 128, 256].flatMap((headDim) =>
    CudaQkNorm.requests(
      {
        headDim,
        dtype: "bf16",
        kind: "rms",
        weight: "bf16",
        bias: null,
        weightOffset: 0,
        rounding: "once",
        inPlace: true,
        alignment: 16,
        weightAlignment: 16,
      },
      device,
    ),
  );
  const folder = mkdtempSync(join(tmpdir(), "qknorm-jit-"));
  try {
    const times = { cold: [] as number[], disk: [] as number[], memory: [] as number[] };
    for (const request of requests) {
      times.cold.push(milliseconds(() => new Jit({ folder, seeds: [] }).compile({ ...request })));
      const fresh = new Jit({ folder, seeds: [] });
      const asked = { ...request };
      times.disk.push(milliseconds(() => fresh.compile(asked)));
      times.memory.push(milliseconds(() => repeat(1000, () => fresh.compile(asked))) / 1000);
    }
    const of = (list: number[]) => Number(median(list).toFixed(6));
    return { cold: of(times.cold), disk: of(times.disk), memory: of(times.memory) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function repeat(times: number, run: () => void): void {
  for (let i = 0; i < times; i++) run();
}

function milliseconds(run: () => void): number {
  const start = process.hrtime.bigint();
  run();
  return Number(process.hrtime.bigint() - start) / 1e6;
}
