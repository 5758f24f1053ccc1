// Indices out of range that only the device has seen: what is told of them, to whom, and what is computed all the same.
import { applyQkNormRope } from "@qknorm/core";
import { CudaEvent } from "@qknorm/native/cuda";
import { beforeAll, describe, expect, test } from "vitest";
import { cudaStream } from "../src/cuda.ts";
import {
  backendOf,
  type CudaDeviceName,
  DeviceGraph,
  DeviceMark,
  gatherRows,
  Indices,
  moe,
  openDevice,
  rope,
  settle,
  Tensor,
  tidy,
  writeCache,
} from "../src/index.ts";
import { failure } from "./errors.ts";
import { filled, norm, rms } from "./qk-norm-cases.ts";
import { tablesOn } from "./qk-norm-rope-cases.ts";

const D = 64;
const places = 9;
const slots = 12;

type Queue = (indices: Indices) => void;

interface Case {
  /** As the message has it. */
  readonly op: string;
  readonly index: string;
  readonly bound: number;
  readonly count: number;
  /** Makes what the op needs on a device. */
  readonly on: (device: CudaDeviceName | "cpu") => Queue;
}

const cacheOf = (device: CudaDeviceName | "cpu", dtype: "bf16" | "e4m3") => {
  const made = () => Tensor.zeros([slots, 1, D], dtype, device);
  return { k: made(), v: made() };
};
const scale = (device: CudaDeviceName | "cpu") => Tensor.zeros([slots, 1], "f32", device);
const rows = (device: CudaDeviceName | "cpu", seed: number, shape: readonly number[]) =>
  filled(seed, shape, "bf16").to(device);

function chainOn(device: CudaDeviceName | "cpu", tokens: number) {
  const [q, k, v] = [3, 1, 1].map((heads, i) => rows(device, i, [tokens, heads * D])) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const turn = { ...tablesOn(device, places, D / 2, 1), rounding: "once" } as const;
  const cache = cacheOf(device, "bf16");
  return (positions: Indices, at: Indices): void => {
    const options = { headDim: D, rope: turn, positions, v, cache: { ...cache, slots: at } };
    applyQkNormRope(q, k, norm(rms), norm(rms), options);
  };
}

function moeOn(device: CudaDeviceName | "cpu", tokens: number): Queue {
  const stacks = { gateUp: rows(device, 1, [4, 48, 32]), down: rows(device, 2, [4, 32, 24]) };
  const x = rows(device, 3, [tokens, 32]);
  const weights = filled(4, [tokens, 2], "f32").to(device);
  return (experts) => void moe(x, stacks, { experts, weights }, { activation: "silu", rounding: "once" });
}

const cases: Readonly<Record<string, Case>> = {
  gatherRows: {
    ...{ op: "gatherRows", index: "row", bound: 5, count: 3 },
    on: (device) => {
      const table = rows(device, 1, [5, 20]);
      return (ids) => void gatherRows(table, ids, "f32");
    },
  },
  rope: {
    ...{ op: "rope", index: "position", bound: places, count: 3 },
    on: (device) => {
      const [x, table] = [rows(device, 1, [3, 2, D]), tablesOn(device, places, D / 2, 1)];
      return (positions) => rope(x, table, positions, "once");
    },
  },
  writeCache: {
    ...{ op: "writeCache", index: "slot", bound: slots, count: 3 },
    on: (device) => {
      const [k, v, cache] = [rows(device, 1, [3, 1, D]), rows(device, 2, [3, 1, D]), cacheOf(device, "bf16")];
      return (at) => writeCache(k, v, cache.k, cache.v, at);
    },
  },
  "writeCache of e4m3": {
    ...{ op: "writeCache", index: "slot", bound: slots, count: 3 },
    on: (device) => {
      const [k, v, cache] = [rows(device, 1, [3, 1, D]), rows(device, 2, [3, 1, D]), cacheOf(device, "e4m3")];
      const scales = { k: scale(device), v: scale(device), mode: "computed" } as const;
      return (at) => writeCache(k, v, cache.k, cache.v, at, scales);
    },
  },
  "a chain, by its positions": {
    ...{ op: "applyQkNormRope", index: "position", bound: places, count: 3 },
    on: (device) => {
      const chain = chainOn(device, 3);
      const at = Indices.from([0, 1, 2]);
      return (positions) => chain(positions, at);
    },
  },
  "a chain of one token, by its position": {
    ...{ op: "applyQkNormRope", index: "position", bound: places, count: 1 },
    on: (device) => {
      const chain = chainOn(device, 1);
      const at = Indices.from([0]);
      return (positions) => chain(positions, at);
    },
  },
  "a chain of many tokens, by its positions": {
    ...{ op: "applyQkNormRope", index: "position", bound: places, count: 700 },
    on: (device) => {
      const chain = chainOn(device, 700);
      const nowhere = Indices.slots(new Array(700).fill(-1));
      return (positions) => chain(positions, nowhere);
    },
  },
  "a chain, by its slots": {
    ...{ op: "applyQkNormRope", index: "slot", bound: slots, count: 3 },
    on: (device) => {
      const chain = chainOn(device, 3);
      const positions = Indices.from([0, 1, 2]);
      return (at) => chain(positions, at);
    },
  },
  "experts of few tokens": {
    ...{ op: "moe", index: "expert", bound: 4, count: 2 },
    on: (device) => moeOn(device, 1),
  },
  "experts of many tokens": {
    ...{ op: "moe", index: "expert", bound: 4, count: 80 },
    on: (device) => moeOn(device, 40),
  },
};

/** Declares the tests. */
export function indexFaultsSuite(device: CudaDeviceName): void {
  beforeAll(async () => {
    await openDevice(device);
  });
  /** `count` values below 4, all different for a cache, of which one is `index`. */
  const values = (one: Case, index: number): number[] =>
    Array.from({ length: one.count }, (_, i) => (i === one.count - 1 ? index : i % 3));
  const list = (of: readonly number[]): Tensor => Tensor.from(of, [of.length], "i32", device);
  const wait = (): unknown => backendOf(device).freeBytes?.();

  describe.each(Object.entries(cases))("%s", (_, one) => {
    test("tells the first who waits, once, as the CPU does at the call", () => {
      tidy(() => {
        const queue = one.on(device);
        const slot = one.index === "slot";
        for (const index of [one.bound, 2 ** 31 - 1, -(2 ** 31), slot ? -2 : -1]) {
          queue(Indices.onDevice(list(values(one, index)), one.bound));
          expect(failure("ERR_QKNORM_ARGUMENT", wait)).toMatch(
            new RegExp(
              `^${one.index} ${index} at ${one.count - 1} is outside 0\\.\\.${one.bound - 1}: ${one.op} on ${device} `,
            ),
          );
          wait();
        }
        // A last good call, and a slot that says that its token goes nowhere.
        for (const index of [one.bound - 1, ...(slot ? [-1] : [])]) {
          queue(Indices.onDevice(list(values(one, index)), one.bound));
          wait();
        }
        const here = one.on("cpu");
        failure("ERR_QKNORM_ARGUMENT", () => here(Indices.from(values(one, one.bound))));
      });
    });

    test("tells of it at every replay of a graph, which stays as it is", () => {
      tidy(() => {
        const queue = one.on(device);
        const indices = list(values(one, 3));
        const there = Indices.onDevice(indices, one.bound);
        queue(there);
        using graph = DeviceGraph.capture(device, () => tidy(() => queue(there)));
        for (const index of [3, one.bound + 1, one.bound + 2, 3]) {
          indices.copyFrom(list(values(one, index)));
          graph.replay();
          if (index === 3) wait();
          else expect(failure("ERR_QKNORM_ARGUMENT", wait)).toContain(`${one.index} ${index} at`);
        }
      });
    });
  });

  test("each way to wait tells of it, and what was read is there all the same", async () => {
    const stream = cudaStream(Number(device.slice("cuda:".length)));
    const [table, bad] = [Tensor.from([1, 2, 3], [3, 1], "f32", device), list([7, 0])];
    const gathered = gatherRows(table, Indices.onDevice(bad, 3), "f32");
    const again = (): void => gatherRows(table, Indices.onDevice(bad, 3), "f32").dispose();
    using event = new CudaEvent(stream.device);
    const mark = DeviceMark.on(device) as DeviceMark;
    const into = new Float32Array(2);
    const waits: readonly (() => unknown)[] = [
      () => gathered.toNumbers(),
      () => gathered.to("cpu"),
      () => gathered.memory.backend.readNow?.(gathered.memory, 0, into),
      () => stream.synchronize(),
      () => event.synchronize(),
      () => mark.readNow(gathered),
      () => settle([table]),
      wait,
    ];
    expect(failure("ERR_QKNORM_ARGUMENT", () => stream.synchronize())).toContain("row 7");
    for (const one of waits) {
      again();
      event.record(stream);
      mark.set();
      expect(failure("ERR_QKNORM_ARGUMENT", one)).toContain("row 7 at 0 is outside 0..2");
    }
    again();
    const told = await gathered.read().catch((error: unknown) => error);
    expect(told).toMatchObject({ code: "ERR_QKNORM_ARGUMENT" });
    // The last row of the table stands for what is not there.
    expect([...into]).toEqual([3, 1]);
    expect([...gathered.toNumbers()]).toEqual([3, 1]);
    mark.dispose();
    for (const one of [table, bad, gathered]) one.dispose();
  });

  test("of several the first is told, and what stands behind a mark is not told again", () => {
    tidy(() => {
      const table = Tensor.from([1, 2, 3], [3, 1], "f32", device);
      const gather = (id: number): Tensor => gatherRows(table, Indices.onDevice(list([id]), 3), "f32");
      gather(4);
      gather(5);
      expect(failure("ERR_QKNORM_ARGUMENT", wait)).toContain("row 4");
      wait();
      const mark = DeviceMark.on(device) as DeviceMark;
      const first = gather(6);
      mark.set();
      // What is queued behind the mark runs as the error of the first is on its way.
      const stream = cudaStream(Number(device.slice("cuda:".length)));
      let waited = 0;
      stream.synchronize = () => {
        waited += 1;
        gather(7);
        Object.getPrototypeOf(stream).synchronize.call(stream);
      };
      expect(failure("ERR_QKNORM_ARGUMENT", () => mark.readNow(first))).toContain("row 6");
      expect([waited, Reflect.deleteProperty(stream, "synchronize")]).toEqual([1, true]);
      wait();
      mark.dispose();
    });
  });
}
