import { parentPort, workerData } from "node:worker_threads";
import type { Batch, ThreadData } from "./analysis-threads.ts";
import { FileAnalysis, type FileOutcome } from "./file-analysis.ts";

// What one thread runs: it takes a batch of files, and answers with their outcomes in the same order.
const { options, sources } = workerData as ThreadData;
const analysis = new FileAnalysis(options, sources);

parentPort!.on("message", async ({ start, end }: Batch) => {
  const outcomes: FileOutcome[] = [];
  for (const source of sources.slice(start, end)) outcomes.push(await analysis.analyse(source));
  parentPort!.postMessage(outcomes);
});
parentPort!.postMessage("ready");
