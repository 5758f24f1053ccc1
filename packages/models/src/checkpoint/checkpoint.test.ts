import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openCheckpoint } from "./checkpoint.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "checkpoint-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Writes a file of byte tensors: name to contents. */
function writeShard(file: string, tensors: Record<string, number[]>): void {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, bytes]) => {
    const begin = end;
    end += bytes.length;
    return [name, { dtype: "U8", shape: [bytes.length], data_offsets: [begin, end] }];
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  mkdirSync(dirname(join(dir, file)), { recursive: true });
  writeFileSync(join(dir, file), Buffer.concat([size, header, Buffer.from(Object.values(tensors).flat())]));
}

function writeIndex(weightMap: unknown): void {
  writeFileSync(
    join(dir, "model.safetensors.index.json"),
    JSON.stringify({ metadata: {}, weight_map: weightMap }),
  );
}

describe("openCheckpoint", () => {
  it("opens a single file, and takes it before an index", () => {
    writeIndex({ a: "gone.safetensors" });
    writeShard("model.safetensors", { a: [1, 2], b: [3] });
    using checkpoint = openCheckpoint(dir);
    expect(checkpoint.names).toEqual(["a", "b"]);
    expect(checkpoint.totalBytes).toBe(3);
    expect(checkpoint.info("a")).toEqual({ dtype: "U8", shape: [2], bytes: 2 });
    expect(checkpoint.read("b")).toEqual(Uint8Array.of(3));
  });

  it("opens shards as one, also in a subfolder and behind links", () => {
    writeShard("one.safetensors", { a: [1, 2] });
    writeShard("blobs/0f3a", { b: [3] });
    symlinkSync(join(dir, "blobs/0f3a"), join(dir, "two.safetensors"));
    writeShard("sub/three.safetensors", { c: [4, 5, 6] });
    writeIndex({ a: "one.safetensors", b: "two.safetensors", c: "sub/three.safetensors" });
    using checkpoint = openCheckpoint(dir);
    expect(["a", "b", "c"].map((name) => [...(checkpoint.read(name) as Uint8Array)])).toEqual([
      [1, 2],
      [3],
      [4, 5, 6],
    ]);
    const target = new Uint8Array(3);
    checkpoint.readInto("c", target);
    expect(target).toEqual(Uint8Array.of(4, 5, 6));
  });

  it("believes the shards where the index has forgotten a tensor, or has it in another shard", () => {
    writeShard("one.safetensors", { a: [1], forgotten: [2] });
    writeShard("two.safetensors", { b: [3] });
    writeIndex({ a: "two.safetensors", b: "one.safetensors" });
    using checkpoint = openCheckpoint(dir);
    expect(checkpoint.read("forgotten")).toEqual(Uint8Array.of(2));
    expect(checkpoint.read("a")).toEqual(Uint8Array.of(1));
    expect(checkpoint.warnings).toEqual([]);
  });

  it("reads a shard of the same set that the index forgot, and says so", () => {
    writeShard("model-00001-of-00002.safetensors", { a: [1] });
    writeShard("model-00002-of-00002.safetensors", { b: [2] });
    writeShard("model-00002-of-00003.safetensors", { b: [3] });
    writeIndex({ a: "model-00001-of-00002.safetensors" });
    using checkpoint = openCheckpoint(dir);
    expect(checkpoint.read("b")).toEqual(Uint8Array.of(2));
    expect(checkpoint.warnings).toEqual([
      "model-00002-of-00002.safetensors is read though model.safetensors.index.json does not name it",
    ]);
  });

  it("reports progress up to the total, counting each tensor once", () => {
    writeShard("model.safetensors", { a: [1, 2], b: [3], empty: [] });
    const seen: unknown[] = [];
    using checkpoint = openCheckpoint(dir, { onProgress: (progress) => seen.push(progress) });
    for (const name of ["a", "a", "empty", "b"]) checkpoint.read(name);
    expect(seen).toEqual([
      { doneBytes: 2, totalBytes: 3 },
      { doneBytes: 3, totalBytes: 3 },
    ]);
  });

  it("names a tensor that is not there, and refuses to read when closed", () => {
    writeShard("model.safetensors", { a: [1] });
    const checkpoint = openCheckpoint(dir);
    expect(checkpoint.has("b")).toBe(false);
    expect(() => checkpoint.info("b")).toThrow('there is no tensor "b" among its 1');
    checkpoint.close();
    checkpoint.close();
    expect(() => checkpoint.read("a")).toThrow("the file is closed");
  });
});

describe("a folder that is no checkpoint is ERR_CHECKPOINT and says what was looked for", () => {
  const cases: [string, () => void, string][] = [
    [
      "an empty folder",
      () => {},
      "no weights: looked for model.safetensors and model.safetensors.index.json",
    ],
    [
      "PyTorch weights",
      () => writeFileSync(join(dir, "pytorch_model.bin"), ""),
      "(found pytorch_model.bin: convert",
    ],
    ["an index without a map", () => writeIndex(undefined), "weight_map must be an object, got undefined"],
    ["an empty map", () => writeIndex({}), "weight_map is empty"],
    [
      "a shard that is missing",
      () => writeIndex({ a: "one.safetensors" }),
      "1 of 1 shards are not in the folder: one.safetensors",
    ],
    ["a shard that is a number", () => writeIndex({ a: 1 }), 'sends "a" to 1, which is not a file name'],
    [
      "a path out of the folder",
      () => writeIndex({ a: "../x.safetensors" }),
      "not a file name inside the folder",
    ],
    [
      "a path in and out",
      () => writeIndex({ a: "a/../../x.safetensors" }),
      "not a file name inside the folder",
    ],
    ["an absolute path", () => writeIndex({ a: "/etc/passwd" }), "not a file name inside the folder"],
    ["a Windows path", () => writeIndex({ a: "C:\\x.safetensors" }), "not a file name inside the folder"],
    ["the folder itself", () => writeIndex({ a: "." }), "not a file name inside the folder"],
    [
      "a name with a zero byte",
      () => writeIndex({ a: "x\0.safetensors" }),
      "not a file name inside the folder",
    ],
    [
      "an index that is no JSON",
      () => writeFileSync(join(dir, "model.safetensors.index.json"), "{"),
      "is not valid JSON",
    ],
    [
      "a tensor that is listed but not there",
      () => {
        writeShard("one.safetensors", { a: [1] });
        writeIndex({ a: "one.safetensors", b: "one.safetensors" });
      },
      'one.safetensors: tensor "b" is listed in model.safetensors.index.json but not there',
    ],
    [
      "a tensor in two shards",
      () => {
        writeShard("one.safetensors", { a: [1] });
        writeShard("two.safetensors", { a: [1], b: [2] });
        writeIndex({ a: "one.safetensors", b: "two.safetensors" });
      },
      'two.safetensors: tensor "a" is also in',
    ],
    [
      "a broken file",
      () => writeFileSync(join(dir, "model.safetensors"), "{}"),
      "model.safetensors: 2 bytes is too short",
    ],
  ];
  it.each(cases)("%s", (_, prepare, message) => {
    prepare();
    expect(() => openCheckpoint(dir)).toThrow(message);
    expect(() => openCheckpoint(dir)).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
  });

  it("no folder, or a file", () => {
    expect(() => openCheckpoint(join(dir, "none"))).toThrow(/none: there is no such folder/);
    writeFileSync(join(dir, "file"), "");
    expect(() => openCheckpoint(join(dir, "file"))).toThrow(/file: is not a folder/);
  });
});
