// A process that decodes by itself, for device-processes.test.ts. It reads one JSON object from its arguments, and tells its parent the
// tokens, or ends in the middle of them.
import cluster from "node:cluster";
import { setQkNormLogger } from "@qknorm/core";
import { type Device, openDevice } from "@qknorm/tensor";
import { loadModel } from "../src/families/load-model.ts";
import { generate } from "../src/generation/generate.ts";

/** What such a process is asked for. */
export interface Task {
  readonly folder: string;
  readonly device: Device;
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  /** Ends with 7 after so many tokens. */
  readonly exitAfter: number | null;
}

const task: Task = JSON.parse(process.argv[2] as string);
setQkNormLogger(null);
if (task.device !== "cpu") await openDevice(task.device);
const { model } = loadModel(task.folder, { dtype: "f32", device: task.device });
const ids: number[] = [];
for await (const id of generate(model, task.prompt, { maxTokens: task.maxTokens })) {
  ids.push(id);
  if (ids.length === task.exitAfter) process.exit(7);
}
process.send?.(ids, () =>
  cluster.worker === undefined ? process.disconnect() : cluster.worker.disconnect(),
);
