import { assertLayerOptions, assertObject } from "../layers/layer-arguments.ts";

/**
 * What a constructor of a family looks at first. Throws `ERR_QKNORM_ARGUMENT` for what no parser of the family's config made, of
 * which `parts` names the lists and objects that it reads, and for options without a dtype of the weights or a rounding.
 */
export function assertMade(config: unknown, options: unknown, ...parts: readonly string[]): void {
  assertObject(config, "the config of a family");
  for (const name of parts) assertObject((config as Record<string, unknown>)[name], `${name} of the config`);
  assertLayerOptions(options);
}
