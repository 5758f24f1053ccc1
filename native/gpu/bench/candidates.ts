// The launch configurations that are tried for an amount of work. What a range of work has to weigh differs: small launches
// are a matter of blocks and of when the next one may start, large ones of bytes in flight.
import type { LaunchConfig } from "../../src/index.ts";

/** How much of the grid's work one row of the tuning is. */
export interface Work {
  readonly headDim: number;
  readonly heads: number;
  readonly tokens: number;
  readonly multiprocessors: number;
}

type Trigger = LaunchConfig["trigger"];

/** In a LaunchConfig's order, with chunks per lane in place of lanes. */
interface Shape {
  readonly perLane?: number;
  readonly rows?: number;
  readonly block: number;
  readonly trigger: Trigger;
  readonly loop?: 0 | 1 | 2;
  readonly waves?: number;
  readonly prefetch?: 0 | 1;
}

const [atOnce, whenLoaded, atEnd, beforeWait, whenDivided] = [1, 2, 3, 4, 5] as const;

/** What may win for this much work, without what cannot: rows in flight that do not exist, a second trip that has none. */
export function candidatesFor(work: Work): LaunchConfig[] {
  const chunks = (work.tokens * work.heads * work.headDim) / 8;
  const shapes =
    chunks < 3_000
      ? tiny()
      : chunks < 30_000
        ? small()
        : chunks < 400_000
          ? middle()
          : chunks < 4_000_000
            ? cached()
            : streamed();
  return shapes.filter((shape) => isWorth(shape, work, chunks)).map((shape) => configOf(shape, work.headDim));
}

/** A block or a few. */
function tiny(): Shape[] {
  return [
    ...product(
      [64, 96, 128, 160, 192, 224, 256, 320, 384, 512, 640, 1024],
      [atOnce, beforeWait, whenDivided],
    ),
    ...product([128, 256, 512], [whenLoaded]),
    ...product([128, 192, 256], [beforeWait, whenDivided], { prefetch: 0 }),
    ...product([64, 128, 192, 256], [beforeWait, whenDivided], { perLane: 2 }),
  ];
}

/** Up to a block or two for each multiprocessor. */
function small(): Shape[] {
  return [
    ...product([96, 128, 160, 192, 256, 320, 384, 512], [atOnce, beforeWait, whenDivided, whenLoaded]),
    ...product([128, 192, 256], [atOnce, beforeWait, whenLoaded], { prefetch: 0 }),
    ...product([64, 128, 192, 256], [atOnce, whenLoaded], { perLane: 2 }),
  ];
}

/** From a few blocks for each multiprocessor to all that fit it. */
function middle(): Shape[] {
  return ([0, 1] as const).flatMap((prefetch) => [
    ...product([128, 192, 256, 384, 512], [atOnce, beforeWait, whenLoaded], { prefetch }),
    ...product([96, 128, 192, 256, 384], [whenLoaded], { rows: 2, prefetch }),
    ...product([128, 192], [beforeWait, atEnd], { rows: 2, prefetch }),
    ...product([64, 128, 192, 256, 384], [whenLoaded], { perLane: 2, prefetch }),
    ...product([64, 128, 192], [whenLoaded, atEnd], { perLane: 2, rows: 2, prefetch }),
    ...product([128], [atEnd], { perLane: 2, rows: 4, prefetch }),
    ...product([128], [whenLoaded], { rows: 3, prefetch }),
  ]);
}

/** More than fits the chip at a time, and less than its L2. */
function cached(): Shape[] {
  const persistent = (block: number, waves: readonly number[], more: Partial<Shape>) =>
    waves.flatMap((count) =>
      product([block], [atEnd], { rows: 2, loop: 2, waves: count, ...more }).concat(
        product([block], [atEnd], { rows: 2, loop: 2, waves: count, prefetch: 0, ...more }),
      ),
    );
  return [
    ...product([128, 192, 256], [whenLoaded, atOnce], { prefetch: 0 }),
    ...product([64, 128, 192], [whenLoaded, atEnd], { rows: 2, prefetch: 0 }),
    ...product([128], [whenLoaded, atEnd], { rows: 3, prefetch: 0 }),
    ...product([64, 128, 256], [whenLoaded, atEnd], { rows: 4, prefetch: 0 }),
    ...product([64, 96, 128, 192, 256], [whenLoaded, atEnd], { perLane: 2, rows: 4, prefetch: 0 }),
    ...product([64, 128, 192], [whenLoaded, atEnd], { perLane: 2, rows: 3, prefetch: 0 }),
    ...product([64, 128, 256], [whenLoaded, atEnd], { perLane: 2, rows: 2, prefetch: 0 }),
    ...product([128, 256], [whenLoaded], { perLane: 2, prefetch: 0 }),
    ...persistent(128, [6, 7, 8, 9, 10], {}),
    ...persistent(64, [14, 16, 20], {}),
    ...persistent(256, [3, 4, 5], {}),
    ...persistent(128, [4, 5, 6], { rows: 4 }),
    ...persistent(128, [10, 12, 14], { rows: 1 }),
    ...persistent(128, [4, 5, 6, 8], { perLane: 2 }),
    ...persistent(128, [8], { loop: 1 }),
  ];
}

/** What the memory's bandwidth decides. */
function streamed(): Shape[] {
  return [
    ...product([64, 96, 128, 160, 192, 256], [whenLoaded, atOnce, beforeWait], { rows: 2, prefetch: 0 }),
    ...product([160, 192, 224, 256], [atOnce, whenLoaded, beforeWait], { prefetch: 0 }),
    ...product([64, 96, 128, 192], [whenLoaded, atEnd], { rows: 3, prefetch: 0 }),
    ...product([64, 96, 128], [whenLoaded, atEnd], { rows: 4, prefetch: 0 }),
    ...product([96, 128, 192], [whenLoaded, atOnce], { perLane: 2, prefetch: 0 }),
    ...product([64, 96], [whenLoaded], { perLane: 2, rows: 2, prefetch: 0 }),
  ];
}

function product(
  blocks: readonly number[],
  triggers: readonly Trigger[],
  more: Omit<Partial<Shape>, "block" | "trigger"> = {},
): Shape[] {
  return blocks.flatMap((block) => triggers.map((trigger) => ({ ...more, block, trigger })));
}

function isWorth({ perLane = 1, rows = 1, block, loop = 0, waves = 0 }: Shape, work: Work, chunks: number) {
  const { headDim, heads, tokens, multiprocessors } = work;
  const lanes = lanesOf(headDim, perLane);
  if (lanes * perLane < headDim / 8 || lanes < 1) return false;
  if (rows > 1 && tokens < 2 * rows) return false;
  if (block > 64 && block >= 2 * Math.max(32, chunks / perLane)) return false;
  const inFlight = ((waves * multiprocessors * block) / lanes) * rows;
  return loop === 0 || heads * tokens > inFlight;
}

function configOf(
  { perLane = 1, rows = 1, loop = 0, waves = 0, prefetch = 1, ...rest }: Shape,
  headDim: number,
) {
  const radix = rows === 1 && perLane === 1 ? 4 : 2;
  return { lanes: lanesOf(headDim, perLane), rows, ...rest, loop, waves, prefetch, radix } as const;
}

/** Of a head dim that is a power of two. */
function lanesOf(headDim: number, perLane: number): number {
  return Math.min(32, headDim / 8 / perLane);
}
