import { type CopyContext, helperCopyForm } from "../copies/copy-form.ts";
import { sourceOfName } from "../copies/origin.ts";
import { UsageError } from "../failures/usage-error.ts";
import { traceFunction } from "../flow/evaluate.ts";
import type { FileForm } from "../form/form.ts";
import type { HelperForm } from "../helper/helper-form.ts";
import { Refusal } from "../match/reasons.ts";

/** Arguments are passed by place in scripts, and by these names in Python. */
const params = {
  script: ["q", "k", "qNorm", "kNorm", "headDim"],
  python: ["q", "k", "q_norm", "k_norm", "head_dim"],
};

/**
 * The form of the helper that the file has already; undefined when its name is free there. Throws `UsageError` when something
 * else has the name.
 */
export function existingHelper(form: FileForm, name: string, context: CopyContext): HelperForm | undefined {
  const fn = form.functions.find((one) => one.name === name);
  const taken = new UsageError(
    `${form.path} has something else called ${name}; rename it, or name another file for --emit-helper`,
  );
  if (fn === undefined) {
    if (sourceOfName(name, form, context.project).kind !== "global") throw taken;
    return undefined;
  }
  const at = { form, fn, trace: traceFunction(fn, () => undefined) };
  const known: readonly string[] = form.language === "python" ? params.python : params.script;
  const needed = fn.params.filter(({ pattern, initial }) => pattern === undefined && initial === undefined);
  const given = needed.map((param) => param.name);
  const isCalledAlike = given.length >= 4 && known.slice(0, given.length).join() === given.join();
  try {
    const copy = isCalledAlike ? helperCopyForm(at, context) : undefined;
    if (copy?.call === undefined || copy.reshapes !== given.includes(known[4]!)) throw taken;
    const { call, reshape, reshapes, stream } = copy;
    return { call, ...(reshapes && reshape && { reshape }), ...(stream && { stream }) };
  } catch (error) {
    throw error instanceof Refusal ? taken : error;
  }
}
