import { describe } from "./describe.ts";
import { QkNormError, wrongArgument } from "./errors.ts";
import type { NormRounding } from "./norm-spec.ts";
import { assertObjectOrNull } from "./plain-argument.ts";

/** Which values of a head turn together: `i` and `i + R`, or `2i` and `2i + 1`. */
export type RopeLayout = "halves" | "interleaved";

/**
 * A rotary position embedding as data, enough for a kernel to run it: the first `2R` values of each head turn by
 * tabulated angles, the others stay. `(a, b)` becomes `(a * cos - b * sin, b * cos + a * sin)` (Su et al. 2021,
 * equation 34); scaled frequencies and factors lie in the tables.
 */
export interface RopeSpec<Table = unknown> {
  /** f32 `[P, R]`, for positions `0..P-1`. */
  readonly cos: Table;
  readonly sin: Table;
  /** Default `halves`: GPT-NeoX, Llama, Qwen. `interleaved`: GPT-J, Cohere. */
  readonly layout?: RopeLayout | undefined;
  /** `hf` rounds cos, sin, each product and each sum to the dtype of q, `once` the result alone. */
  readonly rounding: NormRounding;
}

/** A rotation as code: `x` is `[..., H, D]` (`[..., H, T, D]` with heads first). It may turn x in place and return it. */
export interface RopeFunction<T> {
  (x: T, positions: unknown): T;
  readonly spec?: RopeSpec | undefined;
}

/** A module that rotates. With a `spec` it can be fused. */
export interface RopeModule<T> {
  forward(x: T, positions: unknown): T;
  readonly spec?: RopeSpec | undefined;
}

/** What `applyQkNormRope` takes as `rope`. Data alone is for tensors that a provider can rotate. */
export type RopeLike<T> = RopeSpec | RopeFunction<T> | RopeModule<T>;

/** A rotation that was read once: as data, as code, or both. */
export interface ReadRope<T> {
  readonly spec: RopeSpec | null;
  readonly turn: ((x: T, positions: unknown) => T) | null;
}

/** Throws `ERR_QKNORM_ARGUMENT` for what is neither a spec nor code, or is a broken spec. */
export function readRope<T>(rope: RopeLike<T>): ReadRope<T> {
  const { forward, cos, spec } = (rope ?? {}) as Partial<RopeModule<T> & RopeSpec>;
  if (typeof rope === "function") return { spec: checked(spec), turn: rope };
  if (typeof rope === "object" && rope !== null) {
    if (typeof forward === "function") {
      const module = rope as RopeModule<T>;
      return { spec: checked(spec), turn: (x, positions) => module.forward(x, positions) };
    }
    if (cos !== undefined) return { spec: checked(rope as RopeSpec), turn: null };
  }
  throw wrongArgument(
    "rope must be tables (cos, sin, rounding), a function, an object with forward, or null",
    rope,
  );
}

/**
 * Whether two specs ask for the same: the very same tables, equal names. Throws `ERR_QKNORM_ARGUMENT` for what is no
 * object.
 */
export function sameRopeSpec(a: RopeSpec | null, b: RopeSpec | null): boolean {
  assertObjectOrNull(a, "a rope spec");
  assertObjectOrNull(b, "a rope spec");
  if (a === null || b === null) return a === b;
  return (
    a.cos === b.cos &&
    a.sin === b.sin &&
    (a.layout ?? "halves") === (b.layout ?? "halves") &&
    a.rounding === b.rounding
  );
}

function checked(spec: RopeSpec | undefined): RopeSpec | null {
  if (spec === undefined) return null;
  const fail = (what: string): never => {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `rope ${what}`);
  };
  if (typeof spec !== "object" || spec === null) return fail(`has spec ${describe(spec)}`);
  const { cos, sin, layout = "halves", rounding } = spec;
  if (cos === undefined || sin === undefined) fail("needs both tables, cos and sin");
  if (layout !== "halves" && layout !== "interleaved") {
    fail(`has layout ${describe(layout)}; it must be "halves" or "interleaved"`);
  }
  if (rounding !== "once" && rounding !== "hf") {
    fail(`has rounding ${describe(rounding)}; it must be "once" or "hf"`);
  }
  return Object.freeze({ cos, sin, layout, rounding });
}
