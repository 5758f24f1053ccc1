// What each thread of threads.gpu.test.ts does: uploads, captures, replays, and looks at the result, many times.
import { parentPort, workerData } from "node:worker_threads";
import { CudaGraph, CudaMemory, CudaStream } from "../../src/index.ts";
import { floats, programs } from "./gpu.ts";

export interface ThreadResult {
  readonly rounds: number;
  readonly wrong: number;
}

const factor = workerData as number;
const stream = new CudaStream(0);
const scale = programs.scale();
let wrong = 0;
const rounds = 200;
for (let round = 0; round < rounds; round++) {
  const memory = new CudaMemory(stream, 4096);
  memory.upload(new Float32Array(1024).fill(round), stream);
  const graph = CudaGraph.capture(stream, () => {
    scale.launch([{ memory }, 1024, factor], 4, 256).run(stream);
    scale.launch([{ memory }, 1024, 2], 4, 256).run(stream);
  });
  graph.replay(stream);
  if (!floats(memory, stream).every((value) => value === round * factor * 2)) wrong += 1;
  if (factor < 0) continue;
  graph.free();
  memory.free();
}
parentPort?.postMessage({ rounds, wrong } satisfies ThreadResult);
