import { isQkNormError, type NormSpec, type Refusal } from "@qknorm/core";
import {
  alignmentOf,
  type CudaChainForm,
  type CudaNormForm,
  type CudaNormSide,
  CudaQkNormRope,
  type CudaStream,
  type QkNormRopeOperand,
} from "@qknorm/native/cuda";
import type {
  FusedQkNormRope,
  QkNormRopeCall,
  QkNormRopeRun,
  QkNormRopeSide,
  TensorView,
} from "../../backend.ts";
import { bytesOf, type CacheDtype } from "../../dtype.ts";
import { cudaKernels, cudaStream } from "./device-state.ts";
import type { JoinableChain } from "./joinable.ts";
import { joinableChain } from "./joinable-chain.ts";
import { isSettled, memoryOf, ordinalOfMemory } from "./memory.ts";
import {
  type Affine,
  affineEntries,
  type CudaNorm,
  formOf,
  readAffine,
  sharedForm,
  sideOf,
} from "./norm-side.ts";
import { postponed } from "./postponed.ts";

const noNorm: NormSpec<TensorView> = {
  ...{ kind: "rms", axis: "head", weight: null, eps: 0, weightOffset: 0, rounding: "once" },
};

/** The chain on CUDA devices. */
export const cudaQkNormRope: FusedQkNormRope = {
  prepare(call: QkNormRopeCall): QkNormRopeRun | readonly Refusal[] {
    const norms = readNorms(call);
    if (!("q" in norms)) return norms;
    const refusals = cacheRefusals(call);
    if (refusals.length > 0) return refusals;
    const launch = orRefusal(() => {
      const made = new ChainLaunch(call, norms);
      made.load(call.tokens);
      return made;
    });
    return "code" in launch ? [launch] : launch.run;
  },

  async warmUp(call: QkNormRopeCall): Promise<void> {
    const norms = readNorms(call);
    if ("q" in norms && cacheRefusals(call).length === 0) await new ChainLaunch(call, norms).warmUp();
  },
};

type Norms = Readonly<Record<"q" | "k", CudaNorm>>;

/** Both sides as a launch takes them, or why there is no kernel for how their weights lie. */
function readNorms({ q, k, headDim, inPlace }: QkNormRopeCall): Norms | readonly Refusal[] {
  if (q.heads === 0 || k.heads === 0) {
    return [{ code: "layout", detail: "one of q and k has no heads, so there is nothing to share a launch" }];
  }
  const across = Object.entries({ q, k }).filter(([, { spec }]) => spec?.axis === "row");
  if (across.length > 0) {
    return across.map(([side]) => ({
      code: "axis-row",
      detail: `the ${side} norm runs across all heads of a token, and there is no fused kernel for that on a device`,
    }));
  }
  const read = (side: QkNormRopeSide, name: string): Affine | Refusal =>
    readAffine(side.spec ?? noNorm, side.heads, headDim, `the ${name} norm's`);
  const affines = [read(q, "q"), read(k, "k")];
  const refusals = affines.filter((affine): affine is Refusal => "code" in affine);
  if (refusals.length > 0) return refusals;
  const out = inPlace ? null : { offset: 0 };
  const norm = (side: QkNormRopeSide, affine: Affine): CudaNorm => ({
    ...side,
    ...{ headDim, out, affine, spec: side.spec ?? noNorm },
  });
  return { q: norm(q, affines[0] as Affine), k: norm(k, affines[1] as Affine) };
}

function cacheRefusals({ write }: QkNormRopeCall): Refusal[] {
  if (write === null || cacheAlignment(write) >= 4 || bytesOf[write.kCache.dtype] === 2) return [];
  const detail = `rows of a cache of ${write.kCache.dtype} start where no access of 4 bytes may`;
  return [{ code: "cache", detail }];
}

type Write = NonNullable<QkNormRopeCall["write"]>;

function cacheAlignment({ kCache, vCache }: Write) {
  const places = [kCache, vCache].flatMap(({ offset, strides, dtype }) =>
    [offset, strides[0] as number, strides[1] as number].map((elements) => elements * bytesOf[dtype]),
  );
  return alignmentOf(...places);
}

/** What `make` gives, or the refusal where a kernel could not be made, which the JIT remembers. */
function orRefusal<R>(make: () => R): R | Refusal {
  try {
    return make();
  } catch (error) {
    if (isQkNormError(error) && ["ERR_NVRTC", "ERR_CUDA", "ERR_NATIVE"].includes(error.code)) {
      return { code: "kernel", detail: error.message };
    }
    throw error;
  }
}

/** Which sides of a call a launch has. */
interface Part {
  readonly form: CudaChainForm;
  readonly sides: readonly ("q" | "k")[];
  readonly launch: CudaQkNormRope;
}

/**
 * The launch of a chain, for all tensors that lie as the call's do. Where q and k have norms of two kinds it is two, of
 * which that of k stores.
 */
class ChainLaunch {
  readonly #ordinal: number;
  readonly #width: number;
  readonly #inPlace: boolean;
  readonly #parts: readonly Part[];
  readonly #turns: boolean;
  readonly #tables: readonly TensorView[];
  /** Whether the tables were when the kernel was chosen. */
  readonly #settled: boolean;
  readonly #call: Pick<QkNormRopeCall, "write" | "rope">;
  readonly #norms: Norms;
  readonly #phases: Readonly<Record<"q" | "k" | "v", number>>;
  #loadedFor = 0;

  /** Throws what `CudaQkNormRope` and `cudaKernels` do. */
  constructor(call: QkNormRopeCall, norms: Norms) {
    const { dtype, inPlace, rope, write } = call;
    this.#ordinal = ordinalOfMemory(call.q.x);
    this.#width = bytesOf[dtype];
    this.#inPlace = inPlace;
    this.#turns = rope !== null;
    this.#tables = rope === null ? [] : [rope.table.cos, rope.table.sin];
    this.#settled = this.#tables.every(isSettled);
    this.#call = call;
    this.#norms = norms;
    const v = write?.v.x ?? call.k.x;
    this.#phases = { q: this.#phase(call.q.x), k: this.#phase(call.k.x), v: this.#phase(v) };
    const [q, k] = [formOf(norms.q), formOf(norms.k)];
    const shared = (call.q.spec === null) === (call.k.spec === null) ? sharedForm(q, k) : null;
    this.#parts =
      shared === null
        ? [this.#part(call, norms, q, ["q"]), this.#part(call, norms, k, ["k"])]
        : [this.#part(call, norms, shared, ["q", "k"])];
  }

  /** Compiles off the main thread, then loads, what any number of tokens needs. */
  async warmUp(): Promise<void> {
    const kernels = cudaKernels(this.#ordinal);
    await kernels.warmUp(this.#parts.flatMap(({ form }) => CudaQkNormRope.requests(form, kernels.device)));
  }

  /** Compiles and loads what the tokens need. Throws what `CudaQkNormRope.load` does. */
  load(tokens: number): void {
    this.#loadedFor = 0;
    for (const { launch } of this.#parts) launch.tokens(tokens).load();
    this.#loadedFor = tokens;
  }

  /** Queues the launch on the current stream of the device. */
  readonly run: QkNormRopeRun = ({ q, k, qOut, kOut, v, positions, slots, tokens }) => {
    const phases = this.#phases;
    if (this.#phase(q) !== phases.q || this.#phase(k) !== phases.k) return false;
    if (v !== null && this.#phase(v) !== phases.v) return false;
    if (this.#settled && !this.#tables.every(isSettled)) return false;
    // Another number of tokens may take another kernel; one that cannot be made is for the plan to name.
    if (tokens !== this.#loadedFor && orRefusal(() => this.load(tokens)) !== undefined) return false;
    const { backend } = q.memory;
    const places = this.#turns && positions !== null ? positions.on(backend) : null;
    const rows = v !== null && slots !== null ? slots.on(backend) : null;
    const late = postponed(this.#ordinal);
    if (late === null) this.#queue(cudaStream(this.#ordinal), { q, k, qOut, kOut, v }, places, rows);
    else {
      const step = this.#joinable(tokens, { q, k, v }, places, rows);
      late.add({ step, run: (stream) => this.#queue(stream, { q, k, qOut, kOut, v }, places, rows) });
    }
    return true;
  };

  #queue(
    stream: CudaStream,
    { q, k, qOut, kOut, v }: Pick<Parameters<QkNormRopeRun>[0], "q" | "k" | "qOut" | "kOut" | "v">,
    places: TensorView | null,
    rows: TensorView | null,
  ): void {
    for (const { launch, sides } of this.#parts) {
      for (const side of sides) {
        this.#bind(launch, `${side}Input`, side === "q" ? q : k);
        if (!this.#inPlace) this.#bind(launch, `${side}Output`, side === "q" ? qOut : kOut);
      }
      if (places !== null) this.#bind(launch, "positions", places);
      if (rows !== null && v !== null && sides.includes("k")) {
        this.#bind(launch, "slots", rows);
        this.#bind(launch, "v", v);
      }
    }
    for (const { launch } of this.#parts) launch.run(stream);
  }

  #joinable(
    tokens: number,
    views: { readonly q: TensorView; readonly k: TensorView; readonly v: TensorView | null },
    places: TensorView | null,
    rows: TensorView | null,
  ): JoinableChain | null {
    const [part, other] = this.#parts;
    const { v } = views;
    if (tokens !== 1 || !this.#inPlace || part === undefined || other !== undefined) return null;
    if (v === null || rows === null) return null;
    return joinableChain(part.form, this.#norms, this.#call, { ...views, v, places, rows });
  }

  #part(call: QkNormRopeCall, norms: Norms, norm: CudaNormForm, sides: readonly ("q" | "k")[]): Part {
    const { rope, order, dtype } = call;
    const write = sides.includes("k") ? call.write : null;
    const width = bytesOf[dtype];
    const vPlaces = write === null ? [] : [write.v.x.offset, write.v.tokenStride, write.v.headStride];
    const form: CudaChainForm = {
      norm: { ...norm, alignment: alignmentOf(norm.alignment, ...vPlaces.map((n) => n * width)) },
      normalizes: call[sides[0] as "q" | "k"].spec !== null,
      rope: rope && {
        half: rope.table.cos.shape[1] as number,
        layout: rope.table.layout ?? "halves",
        rounding: rope.rounding,
        alignment: alignmentOf(rope.table.cos.offset * 4, rope.table.sin.offset * 4),
        settled: this.#settled,
      },
      order,
      cache: write && {
        dtype: write.kCache.dtype as CacheDtype,
        alignment: cacheAlignment(write),
        scales: write.scales?.mode ?? "none",
      },
    };
    const launch = new CudaQkNormRope(cudaKernels(this.#ordinal), {
      form,
      ...(Object.fromEntries(sides.map((side) => [side, sideOf(norms[side])])) as Partial<
        Record<"q" | "k", CudaNormSide>
      >),
      ...(rope !== null && { places: rope.table.cos.shape[0] as number }),
      ...(write !== null && { store: storeOf(write, width) }),
    });
    for (const side of sides) {
      const names = { weight: `${side}Weight`, bias: `${side}Bias` };
      for (const [name, values] of affineEntries(norms[side].affine, names)) {
        this.#bind(launch, name as QkNormRopeOperand, values);
      }
    }
    if (rope !== null) {
      this.#bind(launch, "cos", rope.table.cos);
      this.#bind(launch, "sin", rope.table.sin);
    }
    if (write !== null) {
      this.#bind(launch, "kCache", write.kCache);
      this.#bind(launch, "vCache", write.vCache);
      if (write.scales !== null) {
        this.#bind(launch, "kScales", write.scales.k);
        this.#bind(launch, "vScales", write.scales.v);
      }
    }
    return { form, sides, launch };
  }

  #bind(launch: CudaQkNormRope, operand: QkNormRopeOperand, x: TensorView): void {
    launch.bind(operand, memoryOf(x), x.offset * bytesOf[x.dtype]);
  }

  /** Where in the widest access, of 16 bytes, a tensor starts. */
  #phase(x: TensorView): number {
    return (x.offset * this.#width) % 16;
  }
}

/** How v and the cache lie, in bytes. */
function storeOf({ v, kCache, vCache, scales }: Write, width: number) {
  const side = (cache: TensorView, values: TensorView | undefined) => {
    const [slotStride, headStride] = cache.strides.map((n) => n * bytesOf[cache.dtype]) as [number, number];
    const [scaleSlotStride, scaleHeadStride] = (values?.strides ?? [0, 0]).map((n) => n * 4) as [
      number,
      number,
    ];
    return { slotStride, headStride, scaleSlotStride, scaleHeadStride };
  };
  return {
    v: { tokenStride: v.tokenStride * width, headStride: v.headStride * width },
    slots: kCache.shape[0] as number,
    k: side(kCache, scales?.k),
    vCache: side(vCache, scales?.v),
  };
}
