// Writes entries of a cubin folder until it is ended from outside, for cuda-killed-writer.test.ts.
const [folder, store] = process.argv.slice(2);
const { writeCubin } = await import(store);
for (let i = 0; ; i++) {
  writeCubin(folder, { key: `kernel${i % 8}`, compiler: "12.8" }, new Uint8Array(1 << 20).fill(i));
  if (i === 0) process.stdout.write("ready");
}
