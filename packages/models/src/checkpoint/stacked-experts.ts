import { formatShape, QkNormError } from "@qknorm/core";
import { dtypeTraits } from "./dtypes.ts";
import type { FilePiece } from "./safetensors.ts";
import { shownName } from "./shown-value.ts";
import { computedWeight, readFloat32, type Weight, type Weights } from "./weights.ts";

const PART = /^(.*\.experts)\.(\d{1,6})\.(gate_proj|up_proj|down_proj)\.weight$/;
const PARTS = ["gate_proj", "up_proj", "down_proj"] as const;

type Expert = Partial<Record<(typeof PARTS)[number], Weight>>;

/**
 * The weights with experts that have a tensor each (`experts.3.up_proj.weight`) as the stacks that models have:
 * `experts.gate_up_proj` `[E, 2I, C]`, gate first, and `experts.down_proj` `[E, C, I]`. Nothing is copied: a stack is read
 * part by part into where it goes.
 *
 * @throws ERR_CHECKPOINT for experts of unequal shapes, or of which a tensor is missing
 */
export function stackedExperts(weights: Weights): Weights {
  const rest = new Map<string, Weight>();
  const stacks = new Map<string, Map<number, Expert>>();
  for (const [name, weight] of weights) {
    const [, prefix, index, part] = PART.exec(name) ?? [];
    if (prefix === undefined) {
      rest.set(name, weight);
      continue;
    }
    const experts = stacks.get(prefix) ?? new Map<number, Expert>();
    stacks.set(prefix, experts);
    const expert = experts.get(Number(index)) ?? {};
    experts.set(Number(index), { ...expert, [part as (typeof PARTS)[number]]: weight });
  }
  for (const [prefix, experts] of stacks) {
    const parts = Array.from({ length: experts.size }, (_, index) =>
      PARTS.map(
        (part) =>
          experts.get(index)?.[part] ?? fail(`lacks ${shownName(`${prefix}.${index}.${part}.weight`)}`),
      ),
    ) as [Weight, Weight, Weight][];
    const [gate, , down] = parts[0] as [Weight, Weight, Weight];
    for (const [index, [itsGate, itsUp, itsDown]] of parts.entries()) {
      for (const [name, weight, like] of [
        ["gate_proj", itsGate, gate],
        ["up_proj", itsUp, gate],
        ["down_proj", itsDown, down],
      ] as const) {
        if (weight.shape.join() === like.shape.join()) continue;
        fail(
          `has ${shownName(`${prefix}.${index}.${name}.weight`)} of shape ${formatShape(weight.shape)} among experts of ${formatShape(like.shape)}`,
        );
      }
    }
    const [rows = 0, ...columns] = gate.shape;
    const stack = (name: string, shape: readonly number[], of: readonly Weight[]): void => {
      if (rest.has(name)) fail(`has ${shownName(name)} beside experts that have tensors of their own`);
      rest.set(name, joined([parts.length, ...shape], of));
    };
    stack(
      `${prefix}.gate_up_proj`,
      [2 * rows, ...columns],
      parts.flatMap((expert) => expert.slice(0, 2)),
    );
    stack(
      `${prefix}.down_proj`,
      down.shape,
      parts.map(([, , c]) => c),
    );
  }
  return rest;
}

/** Several weights after one another, as one; f32 where they are of several dtypes. */
function joined(shape: readonly number[], parts: readonly Weight[]): Weight {
  const { dtype } = parts[0] as Weight;
  if (parts.some((part) => part.dtype !== dtype)) {
    return computedWeight(shape, () => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
      let at = 0;
      for (const part of parts) {
        const read = readFloat32(part) ?? fail(`has experts of dtype ${part.dtype}; weights must be floats`);
        values.set(read, at);
        at += read.length;
      }
      return values;
    });
  }
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  const readInto = ({ buffer, byteOffset }: ArrayBufferView): void => {
    let at = byteOffset;
    for (const part of parts) {
      part.readInto(new Uint8Array(buffer, at, part.bytes));
      at += part.bytes;
    }
  };
  return {
    dtype,
    shape,
    bytes,
    readInto,
    ...(parts.every((part) => part.pieces !== undefined) && { pieces: () => piecesOf(parts) }),
    read() {
      const { bits, allocate } = dtypeTraits(dtype);
      const data =
        allocate?.((8 * bytes) / bits) ?? fail(`has experts of dtype ${dtype}; weights must be floats`);
      readInto(data);
      return data;
    },
  };
}

/** Of each part in turn, from the first byte of the first. */
function* piecesOf(parts: readonly Weight[]): Generator<FilePiece, void, undefined> {
  let start = 0;
  for (const part of parts) {
    for (const piece of part.pieces?.() ?? []) yield { ...piece, offset: start + piece.offset };
    start += part.bytes;
  }
}

/** `[E, A, B]` read as `[E, B, A]`, for experts whose input stands on the left (Llama 4). */
export function transposedStack(weight: Weight): Weight {
  const [experts = 0, rows = 0, columns = 0] = weight.shape;
  const read = () => {
    const from = weight.read();
    const to = from.slice();
    for (let i = 0; i < from.length; i++) {
      const [row, column] = [Math.floor(i / columns) % rows, i % columns];
      const expert = Math.floor(i / (rows * columns));
      to[(expert * columns + column) * rows + row] = from[i] as number;
    }
    return to;
  };
  return {
    ...{ dtype: weight.dtype, shape: [experts, columns, rows], bytes: weight.bytes, read },
    readInto({ buffer, byteOffset }) {
      const { buffer: read_, byteOffset: from, byteLength } = read();
      new Uint8Array(buffer, byteOffset, byteLength).set(new Uint8Array(read_, from, byteLength));
    },
  };
}

function fail(problem: string): never {
  throw new QkNormError("ERR_CHECKPOINT", `the checkpoint ${problem}`);
}
