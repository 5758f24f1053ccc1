import type { FunctionForm } from "../form/form.ts";
import { bind, runBlock } from "./evaluate-steps.ts";
import { type Env, Evaluation, type FindFunction } from "./evaluation.ts";
import { evaluateCall } from "./inline-call.ts";
import type { Trace } from "./trace.ts";
import { ValueTable } from "./value.ts";

export type { FindFunction } from "./evaluation.ts";

/** Works out what a function computes. `values` is shared by all functions that are to be compared. */
export function traceFunction(fn: FunctionForm, find: FindFunction, values = new ValueTable()): Trace {
  const evaluation = new Evaluation(find, evaluateCall, values);
  const body = evaluation.newBlock(fn.body, "body");
  evaluation.at = { block: body, step: fn.body[0]!, site: undefined, stream: undefined, fn };
  const env: Env = new Map();
  const params = fn.params.map(({ name }, index) => values.of({ kind: "param", name, index }));
  fn.params.forEach((param, i) => {
    const target = param.pattern ?? ({ kind: "name", name: param.name, span: param.span } as const);
    bind(evaluation, target, params[i]!, env, undefined);
  });
  const { result, falls } = runBlock(evaluation, body, env);
  return evaluation.trace(body, params, falls ? undefined : result);
}
