// Writes entries of a cubin folder until it is ended from outside or its parent is gone, for cuda-killed-writer.test.ts.
import { setImmediate } from "node:timers/promises";

process.stdin.once("close", () => process.exit(0)).resume();
const [folder, store] = process.argv.slice(2);
const { writeCubin } = await import(store);
for (let i = 0; ; i++) {
  writeCubin(folder, { key: `kernel${i % 8}`, compiler: "12.8" }, new Uint8Array(1 << 20).fill(i));
  if (i === 0) process.stdout.write("ready");
  await setImmediate();
}
