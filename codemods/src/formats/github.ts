import { nameIn, repositoryFolder } from "../files/folders.ts";
import type { RunResult } from "../run/run.ts";

/**
 * Annotations for GitHub Actions, one workflow command a line: warnings for what can be replaced, notices for what is kept and
 * what was skipped, errors for what went wrong. Files are named from the git repository.
 */
export function githubAnnotations(result: RunResult): string {
  const { files, skipped, errors } = result;
  const root = repositoryFolder([...files, ...skipped, ...errors]);
  const lines = [
    ...files.flatMap((file) =>
      file.findings.map(({ kind, reason, line, endLine, symbol, message }) => {
        const title = kind === "replaced" ? "QK norm can be shared" : `QK norm kept: ${reason}`;
        const place = { file: nameIn(root, file), line, endLine, title };
        return command(kind === "replaced" ? "warning" : "notice", place, `${symbol}: ${message}`);
      }),
    ),
    ...skipped.map((file) => command("notice", { file: nameIn(root, file), title: "Skipped" }, file.reason)),
    ...errors.map((file) =>
      command("error", { file: nameIn(root, file), title: "qknorm-codemod" }, file.message),
    ),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function command(
  name: "warning" | "notice" | "error",
  properties: Readonly<Record<string, string | number>>,
  message: string,
): string {
  const list = Object.entries(properties).map(([key, value]) => `${key}=${escapeProperty(String(value))}`);
  return `::${name} ${list.join(",")}::${escapeMessage(message)}`;
}

function escapeMessage(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

/** Colons and commas part the properties. */
function escapeProperty(text: string): string {
  return escapeMessage(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
