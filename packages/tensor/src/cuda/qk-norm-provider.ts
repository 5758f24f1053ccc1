import type {
  FusedQkNormCall,
  FusedQkNormProvider,
  NormSpec,
  PreparedQkNorm,
  QkNormError,
  Refusal,
} from "@qknorm/core";
import { refusals } from "../qk-norm-checks.ts";
import { QkNormFit } from "../qk-norm-fit.ts";
import { Tensor } from "../tensor.ts";
import { type Affine, readAffine } from "./affine.ts";
import { CudaQkNormLaunch } from "./qk-norm-launch.ts";
import { CudaStorage } from "./storage.ts";

type Call = FusedQkNormCall<Tensor>;

/** Fused QK norm on the tensors of a CUDA device. */
export class CudaQkNormProvider implements FusedQkNormProvider<Tensor> {
  readonly name = "cuda";
  /** What the refusals were asked about last, made then: the call runs next. */
  #latest: { readonly call: Call; readonly launch: CudaQkNormLaunch } | null = null;

  claims(x: unknown): boolean {
    return Tensor.is(x) && x.storage instanceof CudaStorage;
  }

  refusals(call: Call): readonly Refusal[] {
    const found = refusals(call);
    if (found.length > 0) return found;
    if (call.layout.queryHeads === 0 || call.layout.kvHeads === 0) {
      return [
        { code: "layout", detail: "one of q and k has no heads, so there is nothing to share a launch" },
      ];
    }
    const q = affineOf(call, "q");
    const k = affineOf(call, "k");
    if ("code" in q || "code" in k) return [q, k].filter((side) => "code" in side);
    try {
      const launch = new CudaQkNormLaunch(call, q, k);
      launch.load(call.layout.tokens);
      this.#latest = { call, launch };
      return [];
    } catch (error) {
      if (!isOfKernel(error)) throw error;
      return [{ code: "kernel", detail: error.message }];
    }
  }

  run(call: Call): [Tensor, Tensor] {
    return this.#launchOf(call).run(call.q, call.k, call.layout.tokens);
  }

  prepare(call: Call): PreparedQkNorm<Tensor> | null {
    const fit = QkNormFit.of(call);
    return fit && new PreparedCudaQkNorm(fit, this.#launchOf(call), call.layout.tokens);
  }

  async warmUp(call: Call): Promise<void> {
    const q = affineOf(call, "q");
    const k = affineOf(call, "k");
    if (!("code" in q) && !("code" in k)) await new CudaQkNormLaunch(call, q, k).warmUp();
  }

  #launchOf(call: Call): CudaQkNormLaunch {
    if (this.#latest?.call === call) return this.#latest.launch;
    return new CudaQkNormLaunch(call, affineOf(call, "q") as Affine, affineOf(call, "k") as Affine);
  }
}

class PreparedCudaQkNorm implements PreparedQkNorm<Tensor> {
  readonly #fit: QkNormFit;
  readonly #launch: CudaQkNormLaunch;
  #loadedFor: number;

  constructor(fit: QkNormFit, launch: CudaQkNormLaunch, loadedFor: number) {
    this.#fit = fit;
    this.#launch = launch;
    this.#loadedFor = loadedFor;
  }

  run(q: Tensor, k: Tensor): [Tensor, Tensor] | null {
    const tokens = this.#fit.tokens(q, k);
    if (tokens === 0 || !this.#launch.takes(q, k)) return null;
    if (tokens !== this.#loadedFor && !this.#load(tokens)) return null;
    return this.#launch.run(q, k, tokens);
  }

  // Another number of tokens may take another kernel; one that cannot be made is for the plan to name.
  #load(tokens: number): boolean {
    try {
      this.#launch.load(tokens);
    } catch (error) {
      if (!isOfKernel(error)) throw error;
      return false;
    }
    this.#loadedFor = tokens;
    return true;
  }
}

function affineOf({ qSpec, kSpec, layout }: Call, side: "q" | "k"): Affine | Refusal {
  const heads = side === "q" ? layout.queryHeads : layout.kvHeads;
  return readAffine(
    (side === "q" ? qSpec : kSpec) as NormSpec<Tensor>,
    heads,
    layout.headDim,
    `the ${side} norm's`,
  );
}

/** Whether a kernel could not be made, which the JIT remembers. Anything else is for the caller to hear of. */
function isOfKernel(error: unknown): error is QkNormError {
  const { code } = error as QkNormError;
  return code === "ERR_NVRTC" || code === "ERR_CUDA" || code === "ERR_NATIVE";
}
