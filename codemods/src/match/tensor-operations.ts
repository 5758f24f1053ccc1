import type { Language } from "../files/source-files.ts";

/**
 * What an operation does with the memory of the tensor that it is given. `new`: the result lies elsewhere. `view`: it may be the same
 * memory. `parts`: it is cut into pieces of the same memory that do not overlap. `look`: there is no tensor in the result. None of
 * them keeps the tensor. What is not in the table may give back the same memory, and may keep it.
 */
export type MemoryUse = "new" | "view" | "parts" | "look";

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** The same in all languages: methods of a tensor, and functions of an array library. */
const common: Readonly<Record<MemoryUse, readonly string[]>> = {
  new: words(`
    clone add sub subtract mul multiply div divide pow square sqrt rsqrt reciprocal exp log neg abs sin cos tanh sigmoid softmax
    matmul mm bmm einsum dot outer sum mean var std cumsum prod norm cat concat concatenate stack repeat tile roll
    gather linear equal where clamp minimum maximum relu silu gelu zeros_like ones_like zerosLike onesLike`),
  view: words(`
    view reshape flatten unflatten squeeze unsqueeze expand transpose permute slice narrow select detach contiguous to cast flip`),
  parts: words("split chunk unbind unstack"),
  look: words("size dim numel shape ndim dtype device rank"),
};

const ofLanguage: Readonly<Record<"python" | "script", Readonly<Partial<typeof common>>>> = {
  python: {
    new: words(`
      mul_by rms_norm layer_norm repeat_interleave index_select masked_fill empty_like full_like rand_like randn_like
      logical_not isnan isfinite isinf allclose tolist item argmax argmin any all`),
    view: words(`
      view_as reshape_as expand_as type_as type astype float half double bfloat16 int long bool cpu cuda numpy data T mT H mH real
      swapaxes swapdims moveaxis movedim ravel unfold diagonal as_strided broadcast_to rearrange requires_grad_ t adjoint copy
      expand_dims atleast_2d pin_memory type`),
    parts: words("tensor_split split_with_sizes array_split hsplit vsplit dsplit"),
    look: words(`
      stride is_contiguous is_cuda element_size itemsize nbytes layout get_device is_floating_point nelement requires_grad record_stream
      len print isinstance id str repr hasattr range`),
  },
  script: {
    new: words(""),
    view: words(`
      viewAs reshapeAs expandAs asType astype asContiguous transposeAxes swapAxes moveAxis expandDims subarray data toFloat ref ravel
      broadcastTo`),
    parts: words("tensorSplit"),
    look: words("length byteLength ndims strides toString"),
  },
};

function tableOf(language: "python" | "script"): ReadonlyMap<string, MemoryUse> {
  const kinds = Object.keys(common) as MemoryUse[];
  return new Map(
    kinds.flatMap((kind) =>
      [...common[kind], ...(ofLanguage[language][kind] ?? [])].map((name) => [name, kind] as const),
    ),
  );
}

const tables = { python: tableOf("python"), script: tableOf("script") };

/** Functions that are called like a method of a tensor which does something else: `type(x)` is a class, `x.type(dtype)` may be x. */
const functionsOnly: Readonly<Record<string, MemoryUse>> = { type: "look" };

/** Undefined for an operation that may do anything. */
export function memoryUseOf(
  name: string,
  language: Language,
  as: "method" | "function" = "method",
): MemoryUse | undefined {
  const own = as === "function" && language === "python" ? functionsOnly[name] : undefined;
  if (own !== undefined) return own;
  return tables[language === "python" ? "python" : "script"].get(name);
}

/** Modules whose functions are those of the table; `add` of anything else may be that of a set. */
const libraries =
  /^(?:torch|np|numpy|mx|jnp|jax|lax|F|nn|functional|ops|tf|math|xp|cp|cupy|einops|paddle|core|console|Math)$/;

export function isLibraryName(name: string): boolean {
  return libraries.test(name);
}

/** Gives a tensor several places of which have one memory, so that nothing can be written into it. */
const repeating = /^(?:expand|expand_?as|broadcast_?to|broadcast_tensors|as_?strided|unfold)$/i;

export function repeatsMemory(name: string): boolean {
  return repeating.test(name);
}

/** Functions that see all variables of their caller, by name. */
const seeing = /^(?:locals|vars|eval|exec)$/;

export function seesVariables(name: string): boolean {
  return seeing.test(name);
}

/**
 * How an operator uses its operands: `a && b`, `a ?? b`, `a, b` and `...a` give back what they are given, `a ??= b` too, and `a += b` writes
 * into a tensor a.
 */
export function operatorUse(operator: string): "new" | "either" | "first" {
  if (["&&", "||", "??", ",", "..."].includes(operator.replace(/=$/, ""))) return "either";
  const isAssigning = operator.endsWith("=") && !["==", "!=", "<=", ">="].includes(operator);
  return isAssigning ? "first" : "new";
}
