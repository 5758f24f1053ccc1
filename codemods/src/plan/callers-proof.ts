import type { FilesMentioning } from "../files/mention-index.ts";
import type { Value } from "../flow/value.ts";
import { sideOfEvent } from "../match/given-side.ts";
import type { HoldQuestion } from "../match/holder-search.ts";
import { holderOf, keeperOf } from "../match/holders.ts";
import type { PairCall, Traced } from "../match/match.ts";
import { Memory } from "../match/memory.ts";
import { Refusal } from "../match/reasons.ts";
import type { SideName } from "../match/side-of.ts";
import type { Profile } from "../profiles/profile.ts";
import type { Project } from "../project/project.ts";
import { proveDeletable } from "./deletion-proof.ts";

export interface CallersQuestion {
  /** The function whose parameters q and k come from. */
  readonly at: Traced;
  readonly inputs: HoldQuestion["inputs"];
  /** Its calls in the file. */
  readonly calls: readonly PairCall[];
  readonly project: Project;
  readonly profile: Profile;
  readonly filesMentioning: FilesMentioning;
}

/** Whether all callers of a function are known, and none of them has q or k any more once it has run. */
export function isGivenUp(question: CallersQuestion): boolean {
  const { at, calls, project, filesMentioning } = question;
  const { fn, form } = at;
  // In a script it sees what it was given by another name.
  if (/\barguments\b/.test(form.text.slice(fn.span.start, fn.span.end))) return false;
  // What calls a module runs its forward, without a word of it.
  if (/^(?:forward|call|apply|__\w+__)$/.test(fn.name) || fn.decorators.length > 0) return false;
  try {
    proveDeletable({ at }, calls, project, filesMentioning);
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
  return calls.every((call) => isLastUse(call, question));
}

/** Whether the caller reads nothing of the memory afterwards, but in what the call gives back. */
function isLastUse({ at: caller, call, step }: PairCall, question: CallersQuestion): boolean {
  const { project, profile } = question;
  const { trace } = caller;
  const block = trace.steps.get(step)?.block ?? trace.body;
  const place = { trace, place: caller, project, profile, block, step, removed: [call.span] };
  const seen = normedBy(call, caller);
  if (seen !== undefined) return holderOf({ ...place, inputs: seen }) === undefined;
  const made = trace.values.get(call);
  const given = paramsOf(question).map((index) => argumentOf(call, index, question));
  const tensors = given.map((argument) => argument && trace.values.get(argument));
  const isOneCall = made?.kind === "call" || made?.kind === "norm";
  if (!isOneCall || tensors.length > 1) return false;
  return tensors.every((one) => one !== undefined && keeperOf(one, { ...place, made }) === undefined);
}

/** q and k where the call's code was looked into with what it is given: the parts of it that the norms see. */
function normedBy(call: PairCall["call"], { trace }: Traced): HoldQuestion["inputs"] | undefined {
  const ofSide = (side: SideName) =>
    new Set(
      trace.events
        .filter((event) => event.site === call && sideOfEvent(event) === side)
        .map(({ value }) => value.of),
    );
  const [qs, ks] = [[...ofSide("q")], [...ofSide("k")]];
  const [q, k] = [qs[0], ks[0]];
  return q === undefined || k === undefined || qs.length > 1 || ks.length > 1 ? undefined : { q, k };
}

/** The parameters that q and k lie in. */
function paramsOf({ at, inputs, project }: CallersQuestion): readonly number[] {
  const { trace } = at;
  const memory = new Memory({ trace, place: at, project, replaced: new Set<Value>(), block: trace.body });
  const roots = [inputs.q, inputs.k].flatMap((one) => memory.of(one).map(({ root }) => root));
  return [...new Set(roots.flatMap((root) => (root.kind === "param" ? [root.index] : [])))];
}

function argumentOf({ args }: PairCall["call"], index: number, { at }: CallersQuestion) {
  const name = at.fn.params[index]?.name;
  const positional = args.filter(({ keyword }) => keyword === undefined);
  if (args.some(({ spread }) => spread)) return undefined;
  return (args.find(({ keyword }) => keyword === name) ?? positional[index])?.value;
}
