// llama.cpp as an engine of `oracle/cpu_speed.py`: llama-cpp.bench.ts FILE.gguf NODE_LLAMA_CPP THREADS, the second a folder
// that node-llama-cpp is installed in. It is no dependency of this project, so its types are stated here as far as they
// are used.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { now, promptIds, rateSince, takeTurns } from "./turns.ts";

interface Sequence {
  evaluate(tokens: readonly number[], options: object): AsyncGenerator<number>;
  evaluateWithoutGeneratingNewTokens(tokens: readonly number[]): Promise<void>;
  clearHistory(): Promise<void>;
}
interface Context {
  getSequence(): Sequence;
}
interface NodeLlamaCpp {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{ createContext(options: object): Promise<Context> }>;
    systemInfo: string;
  }>;
}

const [file, folder, threads] = process.argv.slice(2) as [string, string, string];
const entry = createRequire(`${folder}/package.json`).resolve("node-llama-cpp");
const { getLlama } = (await import(pathToFileURL(entry).href)) as NodeLlamaCpp;
const llama = await getLlama({
  ...{ gpu: false, build: "never", skipDownload: true, logLevel: "error", progressLogs: false },
  maxThreads: Number(threads),
});
const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 1024, batchSize: 512, threads: Number(threads) });
const sequence = context.getSequence();

await takeTurns({
  about: "llama.cpp through node-llama-cpp",
  async decode(prompt, warm, count) {
    await sequence.clearHistory();
    const tokens = sequence.evaluate(promptIds(prompt), { temperature: 0, yieldEogTokens: true });
    for (let i = 0; i < warm; i++) await tokens.next();
    const start = now();
    for (let i = 0; i < count; i++) await tokens.next();
    const rate = rateSince(start, count);
    await tokens.return(undefined);
    return rate;
  },
  async prefill(count) {
    await sequence.clearHistory();
    const start = now();
    await sequence.evaluateWithoutGeneratingNewTokens(promptIds(count));
    return rateSince(start, count);
  },
});
process.exit(0); // its threads would keep the process
