import { createHash } from "node:crypto";
import { nameIn, repositoryFolder } from "../files/folders.ts";
import { type ReasonCode, reasonCodes } from "../match/reasons.ts";
import type { Finding } from "../plan/change.ts";
import type { FileResult, RunResult } from "../run/run.ts";
import { lineChanges, splitLines } from "../text/text-lines.ts";
import { adviceFor } from "./advice.ts";

const copyRule = "qk-norm-copy";
const schema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

export interface SarifOptions {
  readonly version: string;
  /** For each replacement its file as it would be if nothing else were replaced. */
  readonly alone: ReadonlyMap<Finding, FileResult>;
}

/**
 * A SARIF 2.1.0 log. A copy that can be replaced is a warning with the edits as its fix, one that is kept is a note under its
 * reason. A fix that calls a helper which is not there yet brings it along. Locations are relative to the git repository (`%SRCROOT%`); columns count UTF-16 units from 1, a byte order
 * mark not included.
 */
export function sarifLog(result: RunResult, { version, alone }: SarifOptions): object {
  const root = repositoryFolder([...result.files, ...result.skipped, ...result.errors]);
  const helper = result.files.find((file) => file.helper !== undefined && file.after !== undefined);
  const results = result.files.flatMap((file) =>
    file.findings.map((finding) => {
      const changed = alone.get(finding);
      const fixes = changed?.after === undefined ? [] : [fixOf(changed, helper, root)];
      return { ...resultOf(file, finding, root), ...(fixes.length > 0 && { fixes }) };
    }),
  );
  return {
    $schema: schema,
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "qknorm-codemod", semanticVersion: version, rules: rules() } },
        columnKind: "utf16CodeUnits",
        newlineSequences: ["\r\n", "\n", "\r"],
        invocations: [
          {
            executionSuccessful: result.errors.length === 0,
            toolExecutionNotifications: notifications(result, root),
          },
        ],
        results,
      },
    ],
  };
}

function rules(): readonly object[] {
  const copy = {
    id: copyRule,
    shortDescription: { text: "A copy of the QK-norm step" },
    help: { text: "One call of the shared helper computes the same; apply the fix." },
    defaultConfiguration: { level: "warning" },
  };
  const kept = reasonCodes.map((reason) => ({
    id: reason,
    shortDescription: { text: adviceFor[reason].title },
    help: { text: adviceFor[reason].byHand },
    defaultConfiguration: { level: "note" },
  }));
  return [copy, ...kept];
}

function resultOf(file: FileResult, finding: Finding, root: string): object {
  const { kind, reason, symbol, message, line, endLine } = finding;
  const ruleId = kind === "replaced" ? copyRule : reason!;
  const artifactLocation = locationOf(file, root);
  const print = createHash("sha256").update([artifactLocation.uri, symbol, ruleId].join("\n")).digest("hex");
  return {
    ruleId,
    ruleIndex: kind === "replaced" ? 0 : reasonCodes.indexOf(reason as ReasonCode) + 1,
    level: kind === "replaced" ? "warning" : "note",
    message: { text: `${symbol}: ${message}` },
    locations: [
      {
        physicalLocation: { artifactLocation, region: { startLine: line, endLine } },
        logicalLocations: [{ fullyQualifiedName: symbol }],
      },
    ],
    partialFingerprints: { "symbol/v1": print },
  };
}

/** The change of one file, and the helper's file with it, which the fixes of all copies have in common. */
function fixOf(alone: FileResult, helper: FileResult | undefined, root: string): object {
  const isApart = helper !== undefined && helper.path !== alone.path;
  const text = isApart
    ? `Call the shared helper, and write it to ${helper.path}; with that done, run the tool again for the other copies`
    : "Call the shared helper";
  return {
    description: { text },
    artifactChanges: [...(isApart ? [helper] : []), alone].map((file) => ({
      artifactLocation: locationOf(file, root),
      replacements: replacements(file.before, file.after ?? file.before),
    })),
  };
}

function replacements(before: string, after: string): readonly object[] {
  const old = splitLines(before);
  return lineChanges(old, splitLines(after)).map(({ from, to, text }) => ({
    deletedRegion: regionOf(old, from, to),
    ...(text !== "" && { insertedContent: { text } }),
  }));
}

/** Whole lines end where the next one begins; at the end of the text there may be none. */
function regionOf(lines: readonly string[], from: number, to: number): object {
  const start = positionOf(lines, from);
  const end = positionOf(lines, to);
  return { startLine: start.line, startColumn: start.column, endLine: end.line, endColumn: end.column };
}

function positionOf(lines: readonly string[], index: number): { line: number; column: number } {
  const last = lines.at(-1) ?? "";
  const isPastEnd = index === lines.length && index > 0 && !/[\r\n]$/.test(last);
  return isPastEnd ? { line: index, column: last.length + 1 } : { line: index + 1, column: 1 };
}

function notifications({ skipped, errors }: RunResult, root: string): readonly object[] {
  const note = (level: string, path: string, text: string) => ({
    level,
    message: { text },
    locations: [{ physicalLocation: { artifactLocation: locationOf({ path }, root) } }],
  });
  return [
    ...errors.map(({ path, message }) => note("error", path, message)),
    ...skipped.map(({ path, reason }) => note("note", path, `skipped: ${reason}`)),
  ];
}

function locationOf(file: { readonly path: string }, root: string): { uri: string; uriBaseId: string } {
  const uri = nameIn(root, file).split("/").map(encodeURIComponent).join("/");
  return { uri, uriBaseId: "%SRCROOT%" };
}
