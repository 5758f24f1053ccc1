import { QkNormError } from "@qknorm/core";
import { gatherRows, scale, softCap, Tensor, tidy } from "@qknorm/tensor";
import { shown } from "../checkpoint/shown-value.ts";
import { Head } from "../layers/head.ts";
import { KvCache } from "../layers/kv-cache.ts";
import { assertObject } from "../layers/layer-arguments.ts";
import { Module } from "../layers/module.ts";
import { pagesWithin } from "../layers/page-pool.ts";
import { PagedKvCache } from "../layers/paged-kv-cache.ts";
import { assertNext, blockSteps } from "../layers/sequence-step.ts";
import { assertStep, type Step } from "../layers/step.ts";
import type { CausalLm, LogitRows, ModelOptions, PagedCacheSize } from "./causal-lm.ts";
import { DecoderModel, type DecoderSpec } from "./decoder-model.ts";

/** A decoder with its head: embedding, layers, norm, logits. Families extend it with their spec. */
export class DecoderForCausalLm extends Module implements CausalLm {
  readonly model: DecoderModel;
  readonly lmHead: Head;
  readonly #spec: DecoderSpec;
  readonly #options: ModelOptions;
  readonly #blockLength: number;
  #disposed = false;

  /** Throws `ERR_QKNORM_ARGUMENT` for a block length that is no integer from 1, or of a model that is causal. */
  constructor(spec: DecoderSpec, options: ModelOptions, model = new DecoderModel(spec, options)) {
    super();
    this.#blockLength = blockLengthOf(spec, options);
    this.model = model;
    const tied = options.tiesHead ?? spec.tieWordEmbeddings;
    this.lmHead = new Head({ ...spec, tied, bias: spec.headBias === true }, options);
    this.#spec = spec;
    this.#options = options;
  }

  get vocabSize(): number {
    return this.#spec.vocabSize;
  }

  get maxPositions(): number {
    return this.#spec.maxPositions;
  }

  override dispose(): void {
    this.#disposed = true;
    super.dispose();
  }

  newCache(): KvCache {
    this.#assertAlive();
    const { layers, maxPositions } = this.#spec;
    const { dtype, cacheDtype, device } = this.#options;
    return new KvCache({ layers, maxPositions, dtype, cacheDtype, device });
  }

  keepsAngles(fromTokens: number, toTokens: number): boolean {
    return this.model.keepsAngles(fromTokens, toTokens);
  }

  newPagedCache(size: PagedCacheSize): PagedKvCache {
    this.#assertAlive();
    const { cacheDtype: dtype = this.#options.dtype, device } = this.#options;
    assertObject(size, "the size of a paged cache");
    const { pageSize = 16 } = size;
    if (this.#blockLength !== 1) {
      throw new QkNormError(
        "ERR_GENERATION",
        `a model that decodes by blocks of ${this.#blockLength} tokens needs a cache of one sequence`,
      );
    }
    const maxPositions = this.model.batchedPositions;
    const layers = this.model.kvHeads();
    const pages = "pages" in size ? size.pages : pagesWithin(size.bytes, pageSize, layers, dtype);
    return new PagedKvCache({ layers, dtype, device, maxPositions, pages, pageSize });
  }

  forward(step: Step, rows: LogitRows = "last"): Tensor {
    return this.#logits(this.#run(step), step, rows);
  }

  *forwardInPieces(step: Step): Generator<void, Tensor, undefined> {
    this.#assertAlive();
    assertStep(step);
    assertNext(step);
    const inPieces = this.#blockLength === 1 ? this.#passInPieces(step) : this.#blocksInPieces(step);
    const hidden = yield* inPieces;
    try {
      return tidy(() => this.#logits(hidden, step, "last"));
    } finally {
      hidden.dispose();
    }
  }

  hidden(step: Step): Tensor {
    return this.model.norm.forward(this.#run(step));
  }

  // [T, C] -> [B or T, V]
  #logits(hidden: Tensor, step: Step, rows: LogitRows): Tensor {
    const { logitScale, logitSoftCap = null } = this.#spec;
    const wanted = rows === "all" ? hidden : this.#lastRows(hidden, step);
    const plain = this.lmHead.forward(wanted, this.model.embedTokens, this.model.norm);
    const scaled = logitScale === undefined ? plain : scale(plain, logitScale);
    return logitSoftCap === null ? scaled : softCap(scaled, logitSoftCap);
  }

  // [T, C] -> [B, C]
  #lastRows(hidden: Tensor, { batch }: Step): Tensor {
    if (batch === undefined) return hidden.slice(0, hidden.dim(0) - 1, hidden.dim(0));
    // As many tokens as sequences, each of which has one: all are wanted.
    if (batch.lastRows?.length === hidden.dim(0)) return hidden;
    return gatherRows(hidden, batch.lastRows, this.#options.dtype);
  }

  #assertAlive(): void {
    if (this.#disposed) throw new QkNormError("ERR_GENERATION", "this model was disposed");
  }

  #run(step: Step): Tensor {
    this.#assertAlive();
    assertStep(step);
    assertNext(step);
    return this.#blockLength === 1 ? this.#pass(step) : this.#inBlocks(step);
  }

  #pass(step: Step): Tensor {
    const hidden = this.model.forward(step);
    step.cache.advance(step);
    return hidden;
  }

  *#passInPieces(step: Step): Generator<void, Tensor, undefined> {
    const hidden = yield* this.model.forwardInPieces(step);
    step.cache.advance(step);
    return hidden;
  }

  /** Of the last block. */
  *#blocksInPieces(step: Step): Generator<void, Tensor, undefined> {
    let last: Tensor | null = null;
    for (const block of blockSteps(step, this.#blockLength)) {
      last?.dispose();
      last = tidy(() => this.#pass(block));
      yield;
    }
    return last as Tensor;
  }

  #inBlocks(step: Step): Tensor {
    const { dtype, device } = this.#options;
    const hidden = Tensor.empty([step.ids.length, this.#spec.hiddenSize], dtype, device);
    let done = 0;
    for (const block of blockSteps(step, this.#blockLength)) {
      hidden.slice(0, done, done + block.ids.length).copyFrom(this.#pass(block));
      done += block.ids.length;
    }
    return hidden;
  }
}

function blockLengthOf({ blockLength }: DecoderSpec, { blockLength: asked }: ModelOptions): number {
  const length = asked ?? blockLength ?? 1;
  if (Number.isSafeInteger(length) && length > 0 && (length === 1 || blockLength !== undefined))
    return length;
  const problem = blockLength === undefined ? "this model is causal" : "it must be an integer from 1";
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `blockLength is ${shown(length)}; ${problem}`);
}
