import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { SourceFile } from "../files/source-files.ts";
import type { AnalysisOptions, FileOutcome } from "./file-analysis.ts";

/** What a thread is started with; plain data. */
export interface ThreadData {
  readonly options: AnalysisOptions;
  readonly sources: readonly SourceFile[];
}

/** Files from `start` up to, not including, `end`. */
export interface Batch {
  readonly start: number;
  readonly end: number;
}

export interface ThreadedAnalysis extends ThreadData {
  readonly threads: number;
  /** Told once of each file, in any order. */
  readonly onOutcome: (index: number, outcome: FileOutcome) => void;
  /** What a thread runs. */
  readonly script?: URL;
}

/** Large enough that files which take from each other, neighbours as a rule, are mostly looked at by one thread, and nobody waits for messages. */
const batchSize = 16;
// The same file stands beside this one as a source and after a build.
const ownScript = new URL(`./analysis-thread${extname(import.meta.url)}`, import.meta.url);

/**
 * Looks at all files in several threads. No file is lost when a thread dies: its batch is looked at again, file by file, and the
 * one that is the end of a thread once more is told of as an error. Throws when a thread cannot even start.
 */
export async function analyseInThreads({
  options,
  sources,
  threads,
  onOutcome,
  script = ownScript,
}: ThreadedAnalysis): Promise<void> {
  const queue: Batch[] = [];
  for (let start = 0; start < sources.length; start += batchSize) {
    queue.push({ start, end: Math.min(start + batchSize, sources.length) });
  }
  queue.reverse();
  const serve = async (): Promise<void> => {
    let thread: Thread | undefined;
    for (let batch = queue.pop(); batch !== undefined; batch = queue.pop()) {
      thread ??= await Thread.start(script, { options, sources });
      const { start, end } = batch;
      try {
        const outcomes = await thread.ask(batch);
        outcomes.forEach((outcome, i) => {
          onOutcome(start + i, outcome);
        });
      } catch (error) {
        thread = undefined;
        if (end - start > 1) queue.push(...singles(batch));
        else onOutcome(start, { candidates: 0, error: `its thread died: ${(error as Error).message}` });
      }
    }
    await thread?.stop();
  };
  await Promise.all(Array.from({ length: Math.min(threads, queue.length) }, serve));
}

/** A batch of one for each file, the first one last. */
function singles({ start, end }: Batch): readonly Batch[] {
  return Array.from({ length: end - start }, (_, i) => ({ start: end - i - 1, end: end - i }));
}

class Thread {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  static async start(script: URL, data: ThreadData): Promise<Thread> {
    const thread = new Thread(workerFor(script, data));
    await thread.#next();
    return thread;
  }

  /** Rejects when the thread dies over it. */
  ask(batch: Batch): Promise<readonly FileOutcome[]> {
    const answer = this.#next<readonly FileOutcome[]>();
    this.#worker.postMessage(batch);
    return answer;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  #next<T>(): Promise<T> {
    const worker = this.#worker;
    return new Promise<T>((resolve, reject) => {
      const onExit = (code: number) => reject(new Error(`it ended with code ${code}`));
      worker.once("message", (answer: T) => {
        worker.off("error", reject);
        worker.off("exit", onExit);
        resolve(answer);
      });
      worker.once("error", reject);
      worker.once("exit", onExit);
    });
  }
}

/** A checkout runs its sources through tsx, which Node 20 has to be told anew in each thread. */
function workerFor(script: URL, workerData: ThreadData): Worker {
  if (extname(script.pathname) !== ".ts") return new Worker(script, { workerData });
  const [loader, source] = [import.meta.resolve("tsx/esm/api"), script.href].map((url) =>
    JSON.stringify(url),
  );
  const code = `import(${loader}).then(({ register }) => (register(), import(${source})))`;
  return new Worker(code, { eval: true, workerData });
}
