import { isQkNormError } from "@qknorm/core";
import {
  backendOf,
  type Device,
  DeviceMark,
  freeOnFailure,
  Indices,
  keep,
  Tensor,
  together,
} from "@qknorm/tensor";
import type { CausalLm } from "../families/causal-lm.ts";
import type { KvCache } from "../layers/kv-cache.ts";
import type { Step } from "../layers/step.ts";
import { DecodeGraph } from "./decode-graph.ts";
import type { GrowingText } from "./growing-text.ts";
import { RowDraws } from "./row-draws.ts";

/** How a text was left: at its end, or to go on by single passes. */
export type Left = "ended" | "uncaptured";

/** Places that a graph is made for at least, so that capturing is worth its time. */
const ROOM = 256;

/** Models of which a pass was refused inside a capture: nobody tries them again. */
const uncaptured = new WeakSet<CausalLm>();

/** What a graph reads and writes beside the cache. */
interface Place {
  /** i32 `[1]`: the last token, and where it stands. */
  readonly ids: Tensor;
  readonly positions: Tensor;
  /** i32 `[1, L]`: what was chosen after each position below L. */
  readonly log: Tensor;
}

/**
 * A text decoded by one captured graph, replayed once a token: the device feeds each token back by itself, and the
 * host reads it while the next is made. The graph holds as long as the cache's memory stays where it is.
 */
export class CapturedDecode {
  readonly #model: CausalLm;
  readonly #cache: KvCache;
  readonly #device: Device;
  readonly #mark: DeviceMark;
  readonly #draws: RowDraws;
  #place: Place | null = null;
  #graph: DecodeGraph | null = null;
  /** Passes that are queued and whose token was not read. */
  #unread = 0;

  /** Null for a device that captures nothing. */
  static on(model: CausalLm, cache: KvCache): CapturedDecode | null {
    const { device } = cache;
    if (device === undefined) return null;
    if (backendOf(device).capture === null || uncaptured.has(model)) return null;
    const mark = DeviceMark.on(device);
    return mark && new CapturedDecode(device, model, cache, mark);
  }

  private constructor(device: Device, model: CausalLm, cache: KvCache, mark: DeviceMark) {
    this.#device = device;
    this.#model = model;
    this.#cache = cache;
    this.#mark = mark;
    this.#draws = new RowDraws(device, 1, model.vocabSize);
  }

  /**
   * The tokens of a text whose last one alone is not in the cache. One pass more than is read is queued at most, and what it
   * chooses is dropped. Throws `ERR_GENERATION` when no logit of a pass is a finite largest.
   */
  *tokens(text: GrowingText): Generator<number, Left, undefined> {
    while (text.goesOn) {
      if (!this.#begin(text)) return "uncaptured";
      do {
        this.#mark.set();
        if (this.#graph?.isCaptured && this.#last < this.#cache.capacity - 1) this.#replay(this.#graph);
        const token = text.accept(this.#chosen());
        if (token === null) return "ended";
        yield token;
      } while (text.goesOn && this.#unread > 0);
    }
    return "ended";
  }

  dispose(): void {
    this.#forget();
    this.#draws.dispose();
    this.#mark.dispose();
  }

  /** The position of the pass that was queued last. */
  get #last(): number {
    return this.#cache.length - 1 + this.#unread;
  }

  #replay(graph: DecodeGraph): void {
    graph.replay();
    this.#unread += 1;
  }

  /** The token of the first pass that was not read. */
  #chosen(): number {
    const { log } = this.#place as Place;
    const position = this.#cache.length;
    const [token] = this.#mark.readNow(log.slice(1, position, position + 1));
    this.#cache.holds(position + 1);
    this.#unread -= 1;
    return token as number;
  }

  /** A pass over a token by calls, which loads what the capture then finds, and the capture. False where there can be none. */
  #begin(text: GrowingText): boolean {
    const cache = this.#cache;
    if (uncaptured.has(this.#model)) return false;
    this.#forget();
    const position = cache.length;
    cache.reserve(Math.min(ROOM, this.#model.maxPositions - position));
    if (!this.#model.keepsAngles(position + 1, cache.capacity)) return false;
    const place = this.#placeOf(text.ids.at(-1) as number, position);
    this.#place = place;
    const step = this.#stepOf(place);
    const choice = this.#draws.place([text], [0]);
    const graph = new DecodeGraph(this.#device, () => {
      const logits = this.#model.forward(step);
      this.#draws.choose(choice, logits, place, place.positions);
      return logits;
    });
    this.#graph = graph;
    if (!this.#try(() => graph.call())) return false;
    this.#try(() => graph.capture((work) => together(this.#device, work)));
    // A capture runs nothing, whatever it counted.
    cache.holds(position);
    this.#unread = 1;
    return true;
  }

  /** Whether it went; what cannot be done without values on the host is refused by name, and remembered. */
  #try(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      if (!isQkNormError(error) || error.code === "ERR_CUDA") throw error;
      uncaptured.add(this.#model);
      return false;
    }
  }

  #placeOf(id: number, position: number): Place {
    const made = (value: number): Tensor => Tensor.from([value], [1], "i32", this.#device);
    const log = (): Tensor => Tensor.zeros([1, this.#cache.capacity], "i32", this.#device);
    return keep(freeOnFailure(() => ({ ids: made(id), positions: made(position), log: log() })));
  }

  #stepOf({ ids, positions }: Place): Step {
    const standing = Indices.onDevice(positions, this.#cache.capacity);
    return {
      ids: Indices.onDevice(ids, this.#model.vocabSize),
      positions: standing,
      slots: standing,
      past: standing,
      cache: this.#cache,
      trace: null,
    };
  }

  #forget(): void {
    this.#graph?.dispose();
    for (const tensor of Object.values(this.#place ?? {})) tensor.dispose();
    this.#graph = null;
    this.#place = null;
    this.#unread = 0;
  }
}
