/**
 * Which identifiers may belong to a QK-norm step. Names only: nothing here knows what the code computes.
 *
 * An identifier is split into words (`query_layernorm`, `queryLayernorm` and `QueryLayerNorm` all start with `query`)
 * and belongs if a word for a side stands next to a word for a norm.
 */

export type NameKind =
  /** Names a norm of q or k, or both: `qNorm`, `norm_k`, `apply_qk_norm`. */
  | "qk-norm"
  /** Says whether there is a QK norm: `useQkNorm`. */
  | "flag"
  /** Names some norm; a candidate only when q or k is what it is given: `applyHeadNorm(norm, q)`. */
  | "norm"
  | "other";

const sideWords = new Set(["q", "k", "qk", "query", "key", "queries", "keys"]);
const normWords = new Set(["norm", "norms", "layernorm", "layernorms", "rmsnorm", "l2norm", "ln"]);
/** Too weak to make a norm of q or k of a name that has a side: `normalizeKey`, `rms_q`. */
const looseWords = new Set(["normalize", "normalise", "rms"]);
/** Part of every name that is about a norm; a text without it names none. */
export const normPart = /norm|ln|rms/gi;
/** Words that may stand between a side and its norm: `q_layer_norm`, `norm_added_q`, `keyHeadNorm`. */
const fillers = new Set(["layer", "rms", "l2", "head", "heads", "added", "proj"]);
const flagWords = new Set(["use", "uses", "has", "with", "enable", "enabled", "is", "if"]);
/** Names under which every module is called. */
export const forwards: ReadonlySet<string> = new Set([
  "forward",
  "apply",
  "call",
  "__call__",
  "forward_native",
  "forward_cuda",
  "forward_inplace",
]);

/** Nobody writes longer names; a program that does shall not make this take long. */
const longestName = 200;

/** Few names stand in most places. */
const known = new Map<string, NameKind>();
const mostKnown = 20_000;

export function classifyName(identifier: string): NameKind {
  if (identifier.length > longestName) return "other";
  let kind = known.get(identifier);
  if (kind === undefined) {
    kind = kindOfWords(splitWords(identifier));
    if (known.size >= mostKnown) known.clear();
    known.set(identifier, kind);
  }
  return kind;
}

function kindOfWords(words: readonly string[]): NameKind {
  if (isLowRank(words)) return "other";
  if (namesSideNorm(words)) return words.some((word) => flagWords.has(word)) ? "flag" : "qk-norm";
  const isNorm = words.some((word) => normWords.has(word) || looseWords.has(word));
  return isNorm ? "norm" : "other";
}

/** First words of functions that make, load or change a norm instead of applying it. */
const builders = new Set([
  "from", "make", "build", "create", "new", "init", "load", "get", "set", "add", "register", "copy", "clone", "convert", "shard",
  "wrap", "replace", "parse", "read", "write", "save", "has", "is", "use", "check", "test", "fuse", "quantize",
]); // biome-ignore format: a word list

/** `RMSNorm`, `loadNorm`: what is called so gives a norm, or something else than a tensor. Classes are written with a capital. */
export function namesBuilder(identifier: string): boolean {
  return /^[A-Z]/.test(identifier) || builders.has(splitWords(identifier)[0] ?? "");
}

/** Whether the name is that of a norm of v: `v_norm`, `vLayerNorm`. */
export function namesValueNorm(identifier: string): boolean {
  return /^#?_?v_?(?:layer_?)?norm$/i.test(identifier);
}

/** A name that only says `normalize` or `rms`, which other things than tensors may be as well. */
export function isLooseNorm(identifier: string): boolean {
  const words = splitWords(identifier);
  return words.some((word) => looseWords.has(word)) && !words.some((word) => normWords.has(word));
}

/** `_applyQKNorm` -> ["apply", "qk", "norm"]. */
export function splitWords(identifier: string): readonly string[] {
  const pieces = identifier.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+\d*|\d+/g) ?? [];
  return pieces.map((piece) => piece.toLowerCase());
}

function namesSideNorm(words: readonly string[]): boolean {
  return words.some((word, i) => {
    // `topKNorm` is about the k largest of something.
    if (!sideWords.has(word) || words[i - 1] === "top") return false;
    return leadsToNorm(words.slice(i + 1)) || leadsToNorm(words.slice(0, i).reverse());
  });
}

/** `q_a_layernorm`, `kvALayernorm`: the norm of a compressed q or kv, which has no heads yet. */
function isLowRank(words: readonly string[]): boolean {
  return words.some((word, i) => (word === "q" || word === "kv") && words[i + 1] === "a");
}

function leadsToNorm(words: readonly string[]): boolean {
  const next = words.find((word) => !fillers.has(word));
  return next !== undefined && normWords.has(next);
}
