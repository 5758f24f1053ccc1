import { ConfigFields } from "../checkpoint/config-fields.ts";
import type { JsonObject } from "../checkpoint/json-file.ts";
import { type KnownKeys, settleUnreadKeys } from "../checkpoint/known-keys.ts";
import { shown } from "../checkpoint/shown-value.ts";

/** A parser of the arguments that diffusers makes an attention module with. */
export type BlockParser<Config> = (raw: JsonObject) => Config;

/**
 * A parser that reads with `read` and refuses every key that it did not ask for and that is not known as harmless.
 *
 * @throws ERR_CHECKPOINT that names the key
 */
export function blockParser<Config extends object>(
  name: string,
  known: KnownKeys,
  read: (fields: ConfigFields) => Config,
): BlockParser<Config> {
  return (raw) => {
    const fields = new ConfigFields(raw, name);
    const config = Object.freeze(read(fields));
    settleUnreadKeys(fields, [known], () => {
      const harmless = Object.values(known.harmless).flat();
      const unknown = fields.unread().find((key) => !harmless.includes(key) && !(key in known.refused));
      if (unknown !== undefined) fields.fail(unknown, "is no argument of this module");
    });
    return config;
  };
}

/** The widths that blocks have in common. */
export interface BlockSizes {
  readonly heads: number;
  readonly headDim: number;
  /** C. */
  readonly width: number;
  readonly outWidth: number;
  readonly eps: number;
}

/** `heads`, `dim_head`, `query_dim`, `out_dim` and `eps`; where `out_dim` is written, it tells the heads. */
export function readBlockSizes(fields: ConfigFields): BlockSizes {
  const headDim = fields.positiveInteger("dim_head", 64);
  const width = fields.positiveInteger("query_dim");
  const written = fields.positiveInteger("heads", 8);
  const outWidth = fields.positiveInteger("out_dim", width);
  const heads = fields.has("out_dim") ? outWidth / headDim : written;
  if (!Number.isInteger(heads)) {
    fields.fail("out_dim", `is ${shown(outWidth)}, not a multiple of dim_head ${headDim}`);
  }
  if (headDim % 2 !== 0) fields.fail("dim_head", `is ${headDim}; it must be even`);
  return { heads, headDim, width, outWidth, eps: fields.positiveNumber("eps", 1e-5) };
}
