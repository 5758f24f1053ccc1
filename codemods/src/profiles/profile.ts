import type { Language } from "../files/source-files.ts";
import type { HelperForm } from "../helper/helper-form.ts";
import type { NormKind } from "../norms/norm-fact.ts";

/** What the shared helper can do, and how it is imported and called. */
export interface Profile {
  readonly name: string;
  readonly languages: readonly Language[];
  readonly helper: Helper;
  /** Kinds of norm that the helper computes as they are. */
  readonly norms: readonly NormKind[];
  /** Whether a norm may be a plain function (`(x) => ...`) instead of a module. */
  readonly acceptsFunctions: boolean;
  /** Attributes that the helper reads from a norm; a norm whose class is known must have them. */
  readonly requiredAttributes: readonly string[];
  /** Whether the helper takes the second stream itself, so that a hand-written stream branch may go. */
  readonly takesAltStream: boolean;
  /** Whether it may overwrite q and k, so that nothing may read them afterwards. */
  readonly inPlace: boolean;
  /**
   * Whether it writes in place through a view `[T, H, D]`, which a part of a packed tensor with its tokens on several axes, `[B, T, H, D]`, has
   * not: then it must write apart.
   */
  readonly viewsTokens: boolean;
  /**
   * What becomes of q and k with heads before the tokens, `[B, H, L, D]`, as they are after `.transpose(1, 2)`: they are refused, the
   * helper takes them as they are, or it has to be told: `{ layout: "heads-first" }`, `layout="heads-first"`.
   */
  readonly headsFirst: "refused" | "as-is" | "option";
  /** Whether the helper must exist in the scanned repository (unless `--assume-helper`). */
  readonly helperInRepository: boolean;
}

export interface Helper {
  readonly name: string;
  /** What files import it from. */
  readonly module: string;
  /** The file that it is to be written to: then each file imports it by its own path to that file. */
  readonly path?: string;
  /** What the helper in `path` looks like; undefined while the copies are still being looked at. */
  readonly form?: HelperForm;
  /** Files that `path` loads, where a file must not load one that is loading it (Python). Absolute. */
  readonly loads?: readonly string[];
}

/** `applyQkNorm` of `@qknorm/core`: any per-head norm module, since its fallback calls the module. */
export const qknormProfile: Profile = {
  name: "qknorm",
  languages: ["typescript", "javascript"],
  helper: { name: "applyQkNorm", module: "@qknorm/core" },
  norms: ["plain-rms", "unit-offset", "weightless", "layer", "l2", "unknown"],
  acceptsFunctions: true,
  requiredAttributes: [],
  takesAltStream: true,
  inPlace: true,
  viewsTokens: false,
  headsFirst: "option",
  helperInRepository: false,
};

/** `apply_qk_norm` of SGLang's model utilities: plain per-head RMS only. */
export const sglangProfile: Profile = {
  name: "sglang",
  languages: ["python"],
  helper: { name: "apply_qk_norm", module: "sglang.srt.models.utils" },
  norms: ["plain-rms"],
  acceptsFunctions: false,
  requiredAttributes: ["variance_epsilon", "weight"],
  takesAltStream: true,
  inPlace: true,
  viewsTokens: true,
  headsFirst: "refused",
  helperInRepository: true,
};

export const builtInProfiles: readonly Profile[] = [qknormProfile, sglangProfile];
