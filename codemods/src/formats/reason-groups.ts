import type { ReasonCode } from "../match/reasons.ts";
import type { Finding } from "../plan/change.ts";
import type { FileResult } from "../run/run.ts";
import { type CodeRole, roleOf } from "./code-role.ts";
import { sharedFolder, sharedName } from "./short-paths.ts";

/** A copy that is kept, and the file it is in. */
export interface KeptCopy {
  readonly file: FileResult;
  readonly finding: Finding;
}

/** All copies of one kind of code that are kept for one reason. */
export interface ReasonGroup {
  readonly reason: ReasonCode;
  readonly copies: readonly KeptCopy[];
  readonly files: number;
  /** What the files are made from: `modular_*.py`, if they are generated and that can be told. */
  readonly from: string | undefined;
}

/** The copies that are kept, by what their code is for and why, most useful reason first. */
export function reasonGroups(files: readonly FileResult[]): ReadonlyMap<CodeRole, readonly ReasonGroup[]> {
  const folder = sharedFolder(files.map(({ path }) => path));
  const byRole = new Map<CodeRole, KeptCopy[]>([
    ["model", []],
    ["kernel", []],
    ["reference", []],
  ]);
  for (const file of files) {
    for (const finding of file.findings) {
      if (finding.kind !== "refused") continue;
      byRole.get(roleOf(file.path.slice(folder.length), finding.symbol))!.push({ file, finding });
    }
  }
  return new Map([...byRole].map(([role, copies]) => [role, groupsOf(copies)]));
}

function groupsOf(copies: readonly KeptCopy[]): readonly ReasonGroup[] {
  const byReason = new Map<ReasonCode, KeptCopy[]>();
  for (const copy of copies) {
    const reason = copy.finding.reason!;
    const same = byReason.get(reason);
    if (same === undefined) byReason.set(reason, [copy]);
    else same.push(copy);
  }
  const groups = [...byReason].map(([reason, same]) => ({
    reason,
    copies: same,
    files: new Set(same.map(({ file }) => file.path)).size,
    from: sharedName(same.flatMap(({ finding }) => finding.writtenIn?.path ?? [])),
  }));
  return groups.sort((a, b) => byUse(a.reason, b.reason) || b.copies.length - a.copies.length);
}

export interface ReasonTotal {
  readonly reason: ReasonCode;
  readonly copies: number;
  readonly files: number;
}

/** How much is kept for each reason, whatever the code is for; most useful reason first. */
export function reasonTotals(files: readonly FileResult[]): readonly ReasonTotal[] {
  const copies = new Map<ReasonCode, KeptCopy[]>();
  for (const group of [...reasonGroups(files).values()].flat())
    copies.set(group.reason, [...(copies.get(group.reason) ?? []), ...group.copies]);
  const totals = [...copies].map(([reason, own]) => ({
    reason,
    copies: own.length,
    files: new Set(own.map(({ file }) => file.path)).size,
  }));
  return totals.sort((a, b) => byUse(a.reason, b.reason) || b.copies - a.copies);
}

/** Reasons that somebody can do nothing about but keep the copy. */
const final: ReadonlySet<ReasonCode> = new Set([
  "layer-norm",
  "norm-not-per-head",
  "different-head-dim",
  "one-sided",
]);

/** Below 0 where more can be done about the first than about the second. */
export function byUse(a: ReasonCode, b: ReasonCode): number {
  return Number(final.has(a)) - Number(final.has(b));
}
