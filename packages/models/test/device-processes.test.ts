import { type ChildProcess, fork } from "node:child_process";
import cluster from "node:cluster";
import { fileURLToPath } from "node:url";
import { type Device, openDevice } from "@qknorm/tensor";
import { describe, expect, it } from "vitest";
import { missing } from "../../tensor/test/stand-in.ts";
import { loadModel } from "../src/families/load-model.ts";
import { generateNow } from "../src/generation/generate.ts";
import type { Task } from "./answering-process.ts";

const program = fileURLToPath(new URL("./answering-process.ts", import.meta.url));
const folder = fileURLToPath(new URL("../golden/tiny-untied", import.meta.url));
const prompt = [5, 17, 9];
const maxTokens = 6;
const execArgv = ["--conditions=@qknorm/source", "--import", import.meta.resolve("tsx")];

interface Ending {
  readonly message: unknown;
  readonly code: number | null;
  readonly stderr: string;
}

const taskOf = (device: Device, exitAfter: number | null = null): string =>
  JSON.stringify({ folder, device, prompt, maxTokens, exitAfter } satisfies Task);

function ending(child: ChildProcess): Promise<Ending> {
  let [message, stderr]: [unknown, string] = [undefined, ""];
  child.on("message", (said) => {
    message = said;
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ message, code, stderr }));
  });
}

const forked = (task: string): Promise<Ending> =>
  ending(fork(program, [task], { execArgv, stdio: ["ignore", "ignore", "pipe", "ipc"] }));

describe.each([
  ["the CPU", "cpu", ""],
  ["a device, by a captured graph on a stand-in driver", "cuda:0", missing],
] as const)("decoding on %s in several processes", (_, device, without) => {
  it.skipIf(without !== "")(
    "gives the tokens of this one in a process that it forks and in one of a cluster",
    async () => {
      cluster.setupPrimary({ exec: program, args: [taskOf(device)], execArgv, silent: true });
      const others = Promise.all([forked(taskOf(device)), ending(cluster.fork().process)]);
      if (device !== "cpu") await openDevice(device);
      using model = loadModel(folder, { dtype: "f32", device }).model;
      const expected = [...generateNow(model, prompt, { maxTokens })];
      for (const other of await others) expect(other).toEqual({ message: expected, code: 0, stderr: "" });
    },
  );

  it.skipIf(without !== "")(
    "ends in the middle, at process.exit, with its code and nothing said",
    async () => {
      expect(await forked(taskOf(device, 3))).toEqual({ message: undefined, code: 7, stderr: "" });
    },
  );
});
