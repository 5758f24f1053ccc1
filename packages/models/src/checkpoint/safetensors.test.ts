import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { QkNormError } from "@qknorm/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SAFETENSORS_DTYPES } from "./dtypes.ts";
import { openSafetensors } from "./safetensors.ts";

const tensor = { dtype: "U8", shape: [4], data_offsets: [0, 4] };

let dir: string;
let path: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "safetensors-"));
  path = join(dir, "x.safetensors");
});
afterAll(() => rmSync(dir, { recursive: true }));

/** A file of this header, as text or as a value, and these data bytes. */
function fileBytes(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

function open(bytes: Uint8Array) {
  writeFileSync(path, bytes);
  return openSafetensors(path);
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

const small = fileBytes(
  {
    __metadata__: { format: "pt" },
    a: { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] },
    b: { dtype: "BF16", shape: [3], data_offsets: [16, 22] },
    scalar: { dtype: "I64", shape: [], data_offsets: [22, 30] },
    empty: { dtype: "U8", shape: [0, 5], data_offsets: [30, 30] },
  },
  Uint8Array.from({ length: 30 }, (_, i) => i * 8),
);

/** Opens and reads all; true if it was fine, false for ERR_CHECKPOINT; any other error fails the test. */
function isReadable(bytes: Uint8Array): boolean {
  try {
    using file = open(bytes);
    for (const name of file.names) file.read(name);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(QkNormError);
    expect((error as QkNormError).code).toBe("ERR_CHECKPOINT");
    expect((error as QkNormError).message.length).toBeLessThan(1000);
    return false;
  }
}

describe("a good file", () => {
  it("gives names, metadata, shapes and elements", () => {
    using file = open(small);
    expect(file.names).toEqual(["a", "b", "scalar", "empty"]);
    expect([...file.metadata]).toEqual([["format", "pt"]]);
    expect(file.info("a")).toEqual({ dtype: "F32", shape: [2, 2], bytes: 16 });
    expect(file.read("b")).toEqual(new Uint16Array(Uint8Array.of(128, 136, 144, 152, 160, 168).buffer));
    expect(file.read("scalar")).toBeInstanceOf(BigInt64Array);
    expect(file.read("empty")).toEqual(new Uint8Array(0));
  });

  const readable = Object.entries(SAFETENSORS_DTYPES).filter(([, traits]) => "allocate" in traits);
  it.each(readable)("of %s reads into an array of that width", (dtype, { bits }) => {
    const data = Uint8Array.from({ length: (6 * bits) / 8 }, (_, i) => i + 1);
    using file = open(fileBytes({ t: { dtype, shape: [2, 3], data_offsets: [0, data.length] } }, data));
    const array = file.read("t");
    expect(array).toHaveLength(6);
    expect(array.BYTES_PER_ELEMENT * 8).toBe(bits);
    expect(bytesOf(array)).toEqual(data);
  });

  it("may have metadata that is null, as some writers leave it", () => {
    using file = open(fileBytes({ __metadata__: null, a: tensor }, new Uint8Array(4)));
    expect(file.metadata.size).toBe(0);
    expect(file.read("a")).toEqual(new Uint8Array(4));
  });

  it("may list tensors in any order, with any names, and pad its header with spaces", () => {
    const names = ["__proto__", "constructor", "", 'q"uo\\te', "żółw 😀", "hasOwnProperty"];
    const entries = names.map(
      (name, i) => `${JSON.stringify(name)}:{"dtype":"U8","shape":[1],"data_offsets":[${i},${i + 1}]}`,
    );
    using file = open(fileBytes(`{${entries.reverse().join(" ,\n")}}   `, Uint8Array.of(0, 1, 2, 3, 4, 5)));
    names.forEach((name, i) => {
      expect(file.has(name)).toBe(true);
      expect(file.read(name)).toEqual(Uint8Array.of(i));
    });
    expect(file.has("toString")).toBe(false);
  });

  it("may have empty tensors anywhere, listed before or after those that begin where they do", () => {
    const empty = (at: number) => ({ dtype: "F32", shape: [0], data_offsets: [at, at] });
    using file = open(fileBytes({ a: tensor, b: empty(0), c: empty(4), d: empty(0) }, new Uint8Array(4)));
    expect(file.names.map((name) => file.read(name).length)).toEqual([4, 0, 0, 0]);
  });

  it("reads back whatever tensors were written", () => {
    const tensors = fc.array(fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }), { maxLength: 6 });
    fc.assert(
      fc.property(tensors, (shapes) => {
        let end = 0;
        const header: Record<string, unknown> = {};
        shapes.forEach((shape, i) => {
          const begin = end;
          end += 2 * shape.reduce((product, size) => product * size, 1);
          header[`t${i}`] = { dtype: "F16", shape, data_offsets: [begin, end] };
        });
        const data = Uint8Array.from({ length: end }, (_, i) => i % 251);
        using file = open(fileBytes(header, data));
        const joined = file.names.flatMap((name) => [...bytesOf(file.read(name))]);
        expect(joined).toEqual([...data]);
      }),
    );
  });

  it("may be larger than 4 GiB, with a tensor of more than 2 GiB", () => {
    const gap = 2 ** 31 + 6;
    const half = 2 ** 31 + 64;
    const header = {
      first: { dtype: "U8", shape: [half], data_offsets: [0, half] },
      huge: { dtype: "U8", shape: [2, gap / 2], data_offsets: [half, half + gap] },
      last: { dtype: "I32", shape: [1], data_offsets: [half + gap, half + gap + 4] },
    };
    const head = fileBytes(header);
    const sparse = join(dir, "sparse.safetensors");
    const fd = openSync(sparse, "w");
    writeSync(fd, head);
    ftruncateSync(fd, head.length + half + gap + 4);
    writeSync(fd, Uint8Array.of(7, 0, 0, 0), 0, 4, head.length + half + gap);
    closeSync(fd);
    using file = openSafetensors(sparse);
    expect(file.info("huge").bytes).toBe(gap);
    expect(file.read("last")).toEqual(Int32Array.of(7));
  });

  it("fills a destination, in chunks that it reports, and nothing around it", () => {
    const data = Uint8Array.from({ length: 40 * 2 ** 20 }, (_, i) => (i >> 20) + 1);
    using file = open(
      fileBytes({ t: { dtype: "U8", shape: [data.length], data_offsets: [0, data.length] } }, data),
    );
    const buffer = new Uint8Array(data.length + 2);
    const chunks: number[] = [];
    file.readInto("t", buffer.subarray(1, -1), (bytes) => chunks.push(bytes));
    expect([buffer[0], buffer.at(-1)]).toEqual([0, 0]);
    expect(Buffer.compare(buffer.subarray(1, -1), data)).toBe(0);
    expect(chunks.length).toBeGreaterThan(1);
    expect(chunks.reduce((sum, bytes) => sum + bytes)).toBe(data.length);
  });
});

describe("a wrong call", () => {
  it("is refused: an unknown name, a destination of another size, a closed file", () => {
    const file = open(small);
    expect(() => file.read("c")).toThrow(/x\.safetensors: there is no tensor "c" among its 4/);
    const wrong = new Float32Array(5).fill(9);
    expect(() => file.readInto("a", wrong)).toThrow("is 16 bytes, but the destination is 20 bytes");
    expect(wrong).toEqual(new Float32Array(5).fill(9));
    const detached = new Float32Array(4);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    expect(() => file.readInto("a", detached)).toThrow("the destination is 0 bytes");
    expect(() => file.readInto("a", {} as Uint8Array)).toThrow("the destination is no typed array");
    file.close();
    file.close();
    expect(() => file.read("a")).toThrow("the file is closed");
  });

  it("is refused: a path that is missing, a folder, or no path at all", () => {
    mkdirSync(join(dir, "folder"));
    expect(() => openSafetensors(join(dir, "folder"))).toThrow(/folder: is not a file$/);
    for (const bad of [join(dir, "none"), join(dir, "folder"), "a\0b", "", undefined as unknown as string]) {
      expect(() => openSafetensors(bad)).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
    }
  });
});

describe("a bad file is ERR_CHECKPOINT and says why", () => {
  const four = new Uint8Array(4);
  it.each<[string, unknown, Uint8Array, string]>([
    ["a header that is no object", "[]", four, 'expected "{" in the header'],
    ["an empty header", "", four, 'expected "{"'],
    ["a header cut off", '{"a":', four, 'expected "{" in tensor "a"'],
    ["text after the header", "{} x", four, "goes on after its end, at character 3"],
    ["a missing comma", '{"a":{"dtype":"U8" "shape":[4]}}', four, 'expected "}" in tensor "a"'],
    ["a bad escape", '{"\\x":1}', four, "is not a valid JSON string"],
    ["a byte order mark", "\uFEFF{}", four, 'expected "{"'],
    ["a tensor that is a number", { a: 1 }, four, 'expected "{" in tensor "a"'],
    ["metadata that is a list", { __metadata__: [], a: tensor }, four, 'expected "{" in __metadata__'],
    ["metadata of numbers", { __metadata__: { a: 1 } }, four, "a value of __metadata__ must be a string"],
    [
      "a name twice",
      `{"a":${JSON.stringify(tensor)},"\\u0061":${JSON.stringify(tensor)}}`,
      four,
      'has the key "a" twice',
    ],
    ["a field twice", '{"a":{"dtype":"U8","dtype":"U8"}}', four, 'tensor "a" has the key "dtype" twice'],
    ["a field too many", { a: { ...tensor, extra: 1 } }, four, 'tensor "a" has an unknown field "extra"'],
    [
      "a field too few",
      { a: { dtype: "U8", shape: [4] } },
      four,
      'tensor "a" needs dtype, shape and data_offsets',
    ],
    [
      "an unknown dtype",
      { a: { ...tensor, dtype: "toString" } },
      four,
      'unknown dtype "toString"; known: F64',
    ],
    ["a negative size", { a: { ...tensor, shape: [-4] } }, four, "has the shape [-4]"],
    ["a fraction of a size", { a: { ...tensor, shape: [4.5] } }, four, "has the shape [4.5]"],
    ["a size beyond 2^53", { a: { ...tensor, shape: [2 ** 60] } }, four, "sizes must be integers"],
    [
      "a size that is infinite",
      '{"a":{"dtype":"U8","shape":[1e999],"data_offsets":[0,4]}}',
      four,
      "[Infinity]",
    ],
    [
      "a size that is text",
      { a: { ...tensor, shape: ["4"] } },
      four,
      'shape of tensor "a" must be a list of numbers',
    ],
    ["a product beyond 2^53", { a: { ...tensor, shape: [2 ** 40, 2 ** 40] } }, four, "is too big"],
    [
      "offsets that run backwards",
      { a: { ...tensor, data_offsets: [4, 0] } },
      four,
      "has data_offsets [4, 0]",
    ],
    ["three offsets", { a: { ...tensor, data_offsets: [0, 4, 8] } }, four, "must be [begin, end]"],
    [
      "a size that is not the offsets'",
      { a: { ...tensor, shape: [3] } },
      four,
      "so 3 bytes, but data_offsets span 4",
    ],
    ["six bits", { a: { dtype: "F6_E2M3", shape: [4], data_offsets: [0, 4] } }, four, "so 3 bytes"],
    [
      "six bits, cut otherwise",
      { a: { dtype: "F6_E3M2", shape: [4], data_offsets: [0, 4] } },
      four,
      "so 3 bytes",
    ],
    ["half a byte", { a: { dtype: "F4", shape: [7], data_offsets: [0, 4] } }, four, "so 3.5 bytes"],
    [
      "an overlap",
      { a: tensor, b: { ...tensor, data_offsets: [2, 6] } },
      new Uint8Array(6),
      'begins at 2, inside tensor "a", which ends at 4',
    ],
    [
      "a hole",
      { a: tensor, b: { ...tensor, data_offsets: [5, 9] } },
      new Uint8Array(9),
      '1 bytes between tensor "a" and tensor "b"',
    ],
    [
      "a hole at the start",
      { a: { ...tensor, data_offsets: [1, 5] } },
      new Uint8Array(5),
      "1 bytes between the start and",
    ],
    ["bytes left over", { a: tensor }, new Uint8Array(6), '2 bytes after tensor "a" belong to no tensor'],
    [
      "tensors beyond the end",
      { a: tensor },
      new Uint8Array(3),
      "truncated: its tensors take 4 bytes, it holds 3",
    ],
  ])("%s", (_, header, data, message) => {
    const act = () => open(fileBytes(header, data));
    expect(act).toThrow(message);
    expect(act).toThrow(/x\.safetensors: /);
    expect(act).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
  });

  it.each([0n, 3n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 60n, 2n ** 64n - 1n])("a header size of %d", (size) => {
    const bytes = small.slice();
    new DataView(bytes.buffer).setBigUint64(0, size, true);
    expect(isReadable(bytes)).toBe(false);
    if (size > 3n)
      expect(() => open(bytes)).toThrow(
        `the header size is ${size} bytes, but only ${small.length - 8} follow`,
      );
  });

  it("a header size above 100 MB, even if the file has as much", () => {
    const long = join(dir, "long.safetensors");
    const size = new Uint8Array(8);
    new DataView(size.buffer).setBigUint64(0, 100_000_001n, true);
    writeFileSync(long, size);
    truncateSync(long, 200_000_000);
    expect(() => openSafetensors(long)).toThrow("at most 100000000 are allowed");
  });

  it("a header that is not UTF-8", () => {
    const bytes = fileBytes('{"aa":1}');
    bytes[10] = 0xff;
    expect(() => open(bytes)).toThrow("the header is not UTF-8");
  });

  it("a header of a million brackets, without a stack overflow", () => {
    for (const deep of ["[", '{"a":', '{"a":{"shape":['])
      expect(isReadable(fileBytes(deep.repeat(1e6)))).toBe(false);
  });

  it("a tensor name of a megabyte, in a short message", () => {
    expect(isReadable(fileBytes({ ["x".repeat(1e6)]: { ...tensor, dtype: "y".repeat(1e6) } }))).toBe(false);
  });

  it("a dtype that is known but cannot be read: only when it is read", () => {
    using file = open(
      fileBytes(
        { w: { ...tensor, dtype: "F8_E8M0" }, b: { ...tensor, data_offsets: [4, 8] } },
        new Uint8Array(8),
      ),
    );
    expect(file.info("w").dtype).toBe("F8_E8M0");
    expect(() => file.read("w")).toThrow('tensor "w" is F8_E8M0, which cannot be read yet');
    expect(() => file.readInto("w", new Uint8Array(4))).toThrow(
      expect.objectContaining({ code: "ERR_CHECKPOINT" }),
    );
    expect(file.read("b")).toHaveLength(4);
  });

  it("a file that shrinks after it was opened", () => {
    using file = open(small);
    truncateSync(path, small.length - 10);
    expect(() => file.read("scalar")).toThrow('the file ended 8 bytes before the end of tensor "scalar"');
  });

  it("every truncation", () => {
    expect(isReadable(small)).toBe(true);
    for (let length = 0; length < small.length; length++)
      expect(isReadable(small.slice(0, length))).toBe(false);
  });

  it("or reads, but never crashes, whatever bytes are changed", () => {
    const change = fc.record({ at: fc.nat(small.length - 1), to: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = small.slice();
        for (const { at, to } of changes) bytes[at] = to;
        isReadable(bytes);
      }),
      { numRuns: 3000 },
    );
  });

  it("or reads, but never crashes, whatever JSON the header is", () => {
    const entry = fc.record({
      dtype: fc.constantFrom("U8", "F32", "F4", 3),
      shape: fc.array(fc.oneof(fc.nat(9), fc.double())),
      data_offsets: fc.anything(),
    });
    const header = fc.oneof(
      fc.json(),
      fc.dictionary(fc.string(), entry).map((value) => JSON.stringify(value)),
      fc.string(),
    );
    fc.assert(
      fc.property(header, fc.uint8Array(), (text, data) => {
        isReadable(fileBytes(text, data));
      }),
      { numRuns: 2000 },
    );
  });
});
