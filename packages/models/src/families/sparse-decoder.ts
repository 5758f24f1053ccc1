import type { DecoderFields } from "../checkpoint/decoder-fields.ts";
import type { ExpertFields } from "../checkpoint/expert-fields.ts";
import { type LayerShapes, llamaShapes } from "../checkpoint/outline.ts";
import { assertList } from "../layers/layer-arguments.ts";
import { MoeMlp } from "../layers/moe.ts";
import type { LayerContext } from "./decoder-model.ts";

/**
 * The MLPs of a decoder some of whose layers are mixtures of experts. Throws `ERR_QKNORM_ARGUMENT` for fields that do not say which
 * layers are.
 */
export function sparseMlps({ sparse, moe }: ExpertFields): (context: LayerContext) => MoeMlp | null {
  assertList(sparse, "sparse of the config");
  return (context) => (sparse[context.layer] === true ? new MoeMlp(moe, context) : null);
}

/** The parameters that tell the sizes of each layer, sparse or not. `mlp`: what the checkpoint calls the MLP. */
export function sparseShapes(
  config: DecoderFields & ExpertFields,
  mlp = "mlp",
): (layer: number) => LayerShapes {
  const { "mlp.gate_proj.weight": gate, ...attention } = llamaShapes(config);
  const { experts, intermediateSize, sharedSize, hiddenSize } = config.moe;
  const dense = { ...attention, [`${mlp}.gate_proj.weight`]: gate as readonly number[] };
  const sparse = {
    ...attention,
    [`${mlp}.experts.gate_up_proj`]: [experts, 2 * intermediateSize, hiddenSize],
    ...(sharedSize > 0 && { [`${mlp}.shared_experts.gate_proj.weight`]: [sharedSize, hiddenSize] }),
  };
  return (layer) => (config.sparse[layer] === true ? sparse : dense);
}
