import type { ReasonCode } from "../match/reasons.ts";

export interface Advice {
  /** What is the matter, in a few words. */
  readonly title: string;
  /** What to do by hand. The README says more under a heading of the code's name. */
  readonly byHand: string;
}

/** For each reason what it means and what can be done; the same words in every format. */
export const adviceFor: Readonly<Record<ReasonCode, Advice>> = {
  "parse-error": {
    title: "The file has a syntax error",
    byHand: "Fix the error and run again.",
  },
  "generated-file": {
    title: "A program writes this file",
    byHand: "Change the generator, then run it.",
  },
  "unit-offset-norm": {
    title: "The norm multiplies by (1 + weight)",
    byHand: "Keep it, or use a helper that knows offsets (profile qknorm).",
  },
  "layer-norm": {
    title: "The norm subtracts the mean",
    byHand: "Keep it, or use a profile whose helper takes layer norms.",
  },
  "unknown-norm": {
    title: "What the norm computes could not be read",
    byHand: "Bring its class into reach, or wrap a function in a module with forward(x), and run again.",
  },
  "norm-not-per-head": {
    title: "The norm spans more than one head",
    byHand: "Keep it. If it is per head after all, reshape to [-1, head dim] before the norm and run again.",
  },
  "third-norm": {
    title: "V is normalised too",
    byHand: "Replace q and k by hand, and keep the norm of v after the call.",
  },
  "aliased-input": {
    title: "q or k is read again as it was before the norm",
    byHand: "Call the helper by hand with allowInplace: false (Python: allow_inplace=False).",
  },
  "shape-changed": {
    title: "The result has another shape than the input",
    byHand: "Call the helper by hand and reshape after it; it gives back the shape that it was given.",
  },
  "different-head-dim": {
    title: "q and k have heads of different size",
    byHand: "Keep the two norms; the helper has one head dim.",
  },
  "conditional-side": {
    title: "q and k are normalised under different conditions",
    byHand: "Put both under one condition, if that is what is meant.",
  },
  "one-sided": {
    title: "Only q, or only k, is normalised here",
    byHand: "Keep it; there is nothing to fuse it with.",
  },
  ownership: {
    title: "A tensor is freed in a way that could not be read",
    byHand: "Call the helper with allowInplace: false and free the old tensors by hand.",
  },
  "overridden-method": {
    title: "A derived class has its own version of the method",
    byHand: "Replace the body of both by hand.",
  },
  "other-callers": {
    title: "Something calls the function that could not be rewritten",
    byHand: "Rewrite the callers first.",
  },
  "helper-mismatch": {
    title: "The helper would do something else than this copy",
    byHand:
      "Spell the step like the other copies, or have a helper written that fits (--emit-helper), and run again.",
  },
  "class-not-shared": {
    title: "Copies of a class could not become one",
    byHand: "Make the copies the same and let nobody depend on which of them a norm is, or keep them.",
  },
  "comment-inside": {
    title: "A comment stood inside the replaced code",
    byHand: "It is kept above the call; see whether it still says something true.",
  },
  ambiguous: {
    title: "More than one reading is possible",
    byHand: "Keep it, or write the step so that it can be read in one way.",
  },
};
