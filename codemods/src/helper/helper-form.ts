/**
 * What one copy computes and how it spells it, and what the helper made of all copies is to look like. Plain data.
 *
 * Code is kept as templates: `$norm` is a norm, `$x` the tensor at hand, `$like` the tensor whose shape is wanted, `$dim` the
 * head dim, `$alt` the second stream, `$work` what runs on it, `$0`, `$1`, ... variables that the copy made up. So two copies
 * that differ in names only have equal templates.
 */

/** How the step is spelled by one copy, as far as the copy shows it. */
export interface CopyForm {
  /** How a norm is applied: `$norm.forward($x)`, `$norm($x)`; undefined where a function can be made to fit either. */
  readonly call?: string;
  /** Whether the copy gives its norms another shape than the tensors have, and brings the results back. */
  readonly reshapes: boolean;
  /** Whether the norms are known to treat each head alone, so that their shape around the last axis does not matter. */
  readonly byHead: boolean;
  /** Whether its tensors have the heads before the tokens, and somebody asks for a view of what comes out, which rows brought back may not have. */
  readonly viewsHeadsFirst: boolean;
  /** Whether the copy says when its tensors are freed, so that nobody would free what a helper makes in between. */
  readonly frees: boolean;
  readonly reshape?: ReshapeForm;
  readonly stream?: StreamForm;
  /** The type of the tensors, where the code in reach says it. */
  readonly tensor?: TypeOrigin;
}

/** `[T, H*D]` to `[T*H, D]` and back. */
export interface ReshapeForm {
  /** `$x.reshape([-1, $dim])` */
  readonly rows: string;
  /** `$x.reshape($like.shape)` */
  readonly back: string;
  readonly origins: readonly Origin[];
}

/** K on a second stream: under which condition, and what is said to the streams before and after. */
export interface StreamForm {
  /** What has to hold besides that there is a second stream: `isCapturing()`. Empty if nothing. */
  readonly test: string;
  /** Whether `null` stands for no stream too (scripts only). */
  readonly nullable: boolean;
  readonly before: readonly string[];
  /** `$alt.run(() => $work)`, or in Python the head of a block: `with torch.cuda.stream($alt):`. */
  readonly on: string;
  readonly after: readonly string[];
  /** What the copy calls `$0`, `$1`, ...; not part of the form, but as good a name as any. */
  readonly locals: readonly string[];
  readonly origins: readonly Origin[];
  /** The stream's type (TypeScript). */
  readonly type?: TypeOrigin;
}

/** A name from outside that the code needs, and where to import it from. */
export interface Origin {
  /** As the code says it. */
  readonly local: string;
  /** As its module calls it; `*` for the whole module, `default` for its default export. */
  readonly imported: string;
  /** The module as the copy's file writes it. */
  readonly module: string;
  /** The file that the module is, if it is one in reach. */
  readonly path?: string;
}

/** A type, and the name that has to be imported to write it. */
export interface TypeOrigin extends Origin {
  /** `Tensor`, `torch.Tensor`. */
  readonly written: string;
}

/** The helper: what all copies have in common. */
export interface HelperForm {
  readonly call: string;
  /** Undefined when no copy reshapes: then the helper needs no head dim either. */
  readonly reshape?: ReshapeForm;
  readonly stream?: StreamForm;
  readonly tensor?: TypeOrigin;
}

/** Equal for two streams forms that do the same. */
export function streamKey({ test, before, on, after, origins }: StreamForm): string {
  return JSON.stringify([test, before, on, after, origins.map(sourceOf).sort()]);
}

function sourceOf({ local, imported, module, path }: Origin): string {
  return `${local}=${imported}@${path ?? module}`;
}

export function isSameOrigin(a: Origin | undefined, b: Origin | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sourceOf(a) === sourceOf(b);
}
