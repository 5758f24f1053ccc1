// Starts worker threads that call the addon over and over, and ends them in the middle of it. A program of its own: what
// goes wrong here takes the whole process with it. It reads one JSON object from its arguments:
//
//     addon, fake  paths of the addon and of the stand-in driver
//     calls        expressions over `addon` and what prelude() makes; one worker calls them all in turn
//     rounds       how many workers are ended, a few at a time
//     ending       "loading": while the addon loads, again and again, on the CPU alone; "calling": while it is called; "exit": the
//                  process exits with 7
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";

const AT_ONCE = 4;
const { addon, fake, calls, rounds, ending } = JSON.parse(process.argv[2]);

const prelude = `
  addon.cudaOpen(${JSON.stringify(fake)});
  addon.nvrtcOpen(${JSON.stringify(fake)}, 1000);
  const bytes = new Uint8Array(64), image = new TextEncoder().encode(".version 8.0 .target sm_90");
  const stream = addon.cudaStream(0), memory = addon.cudaAllocate(stream, 64, false), other = addon.cudaAllocate(stream, 64, false);
  const event = addon.cudaEvent(0, true), module = addon.cudaModule(0, image);
  const kernel = addon.cudaKernel(module, "scale", Float64Array.of(16, 0, 8, 12), false);
  addon.cudaEventRecord(event, stream);
  const recorded = () => {
    const own = addon.cudaStream(0);
    addon.cudaCaptureBegin(own);
    return addon.cudaCaptureEnd(own);
  };
`;

const program = `
  const { parentPort } = require("node:worker_threads");
  const load = () => process.dlopen({ exports: {} }, ${JSON.stringify(addon)});
  ${ending === "loading" ? "" : `const addon = require(${JSON.stringify(addon)}); ${prelude}`}
  const calls = [${ending === "loading" ? "load" : calls.map((call) => `() => ${call}`).join(", ")}];
  parentPort.postMessage("ready");
  let inFlight = 0;
  const attempt = (call) => {
    try {
      const promise = call();
      if (typeof promise?.then !== "function") return;
      inFlight++;
      promise.catch(() => {}).then(() => inFlight--);
    } catch (error) {
      if (typeof error.code !== "string") throw error;
    }
  };
  (function turn() {
    const end = performance.now() + 5;
    while (performance.now() < end && inFlight < 4) calls.forEach(attempt);
    setImmediate(turn);
  })();
`;

async function start() {
  const worker = new Worker(program, { eval: true });
  const failed = new Promise((_, reject) => worker.once("error", reject));
  await Promise.race([failed, new Promise((ready) => worker.once("message", ready))]);
  failed.catch(() => {});
  return worker;
}

async function endOne() {
  const worker = await start();
  await sleep(Math.random() * 8);
  await worker.terminate();
}

if (ending === "exit") {
  await Promise.all(Array.from({ length: AT_ONCE }, start));
  await sleep(Math.random() * 8);
  process.exit(7);
}
for (let done = 0; done < rounds; done += AT_ONCE) {
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, rounds - done) }, endOne));
}
