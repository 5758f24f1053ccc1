/** Why a provider cannot run a call. Stable names; `detail` says what was seen. */
export type RefusalCode =
  | "dtype"
  | "weight-dtype"
  | "weight-device"
  | "weight-shape"
  | "head-dim"
  | "axis-row"
  | "layout"
  | "in-place"
  | "spec"
  | "rope"
  | "cache"
  | "kernel";

/** One condition of a provider that did not hold. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly detail: string;
}
