import { explainQkNorm, explainQkNormRope } from "@qknorm/core";
import type { ForwardTrace, QkNormTrace } from "@qknorm/models";
import { kernelStatus } from "@qknorm/tensor";
import pc from "picocolors";
import type { Answer, FinishReason } from "../session/answer.ts";
import type { Session } from "../session/session.ts";

/** One line: the kernels that ran and why, and what the QK-norm plan was. */
export async function describeRun(session: Session): Promise<string> {
  const { running, reason } = kernelStatus();
  // Who set things up knows better why there is no addon than the loader, which only sees no file.
  const why = reason === null ? "" : ` (${process.env.QKNORM_NATIVE_MISSING ?? reason})`;
  const { dtype, modelType } = session.loaded;
  const plan = inWords(await session.plan()).split(":")[0];
  return `${modelType} in ${dtype} on ${running}${why}; QK norm: ${plan}`;
}

const ENDS: Readonly<Record<FinishReason, string>> = {
  stop: "",
  length: "; cut off at --max-tokens",
  context: "; the context is full",
  interrupted: "; interrupted",
};

/** One line: tokens a second, prefill and decode apart, and why the answer ended if it did not end by itself. */
export function describeAnswer(answer: Answer): string {
  const { promptIds, ids, decodeSteps, prefillSeconds, decodeSeconds, finishReason } = answer;
  return (
    `${promptIds.length} tokens in, ${ids.length} out: prefill ${rate(promptIds.length, prefillSeconds)}, ` +
    `decode ${rate(decodeSteps, decodeSeconds)}${ENDS[finishReason]}`
  );
}

/** The layers of the traced passes as a table: plan, time, share of the pass. */
export function traceTable(traces: readonly ForwardTrace[]): string {
  const sections = [
    ["prefill", traces.slice(0, 1)],
    ["decode", traces.slice(1)],
  ] as const;
  return sections
    .flatMap(([name, passes]) => (passes.length === 0 ? [] : [section(name, passes)]))
    .join("\n");
}

function section(name: string, passes: readonly ForwardTrace[]): string {
  const total = passes.reduce((sum, pass) => sum + pass.totalMs, 0);
  const first = passes[0] as ForwardTrace;
  const lines = first.layers.map(({ layer, plan }, index) => {
    const ms = passes.reduce((sum, pass) => sum + (pass.layers[index]?.ms ?? 0), 0);
    return row(String(layer), microseconds(ms / passes.length), percent(ms / total), inWords(plan));
  });
  const normMs = passes.reduce((sum, pass) => sum + pass.layers.reduce((s, layer) => s + layer.ms, 0), 0);
  return [
    pc.bold(
      `${name}, ${passes.length} pass${passes.length === 1 ? "" : "es"} of ${microseconds(total / passes.length)} each`,
    ),
    pc.dim(row("layer", "QK norm", "share", "plan")),
    ...lines,
    row("all", microseconds(normMs / passes.length), percent(normMs / total), ""),
  ].join("\n");
}

/** The plan of a norm, or of a norm with RoPE and the cache write. */
function inWords(plan: QkNormTrace["plan"]): string {
  return "steps" in plan ? explainQkNormRope(plan) : explainQkNorm(plan);
}

function row(layer: string, time: string, share: string, plan: string): string {
  return `${layer.padStart(5)}  ${time.padStart(10)}  ${share.padStart(7)}  ${plan}`.trimEnd();
}

function microseconds(ms: number): string {
  return ms >= 100 ? `${ms.toFixed(0)} ms` : `${(ms * 1000).toFixed(0)} us`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function rate(tokens: number, seconds: number): string {
  return seconds > 0 ? `${(tokens / seconds).toFixed(0)} tokens/s` : "-";
}
