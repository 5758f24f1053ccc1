import { createInterface } from "node:readline";
import { UsageError } from "../failures/usage-error.ts";
import { paintPatch, printable } from "../formats/paint-patch.ts";
import { paintFor, type Terminal } from "../formats/terminal.ts";
import type { Finding } from "../plan/change.ts";
import type { Replan } from "../run/replan.ts";
import type { FileResult, RunResult } from "../run/run.ts";

type Answer = "y" | "n" | "a" | "q";

const answers = `y  replace this copy
n  leave it
a  replace it and all that follow
q  leave it and all that follow; what was accepted before is written
`;

/**
 * Asks for every replacement and keeps those that are wanted. Nothing is written here. The end of the input means q.
 * Throws `UsageError` when the user interrupts.
 */
export async function askForEach(planned: RunResult, replan: Replan, terminal: Terminal): Promise<RunResult> {
  const lines = createInterface({ input: terminal.input, terminal: false });
  const interrupted = interruption();
  const questions = questionsOf(planned);
  const wanted = new Set<Finding>();
  let answer: Answer = "y";
  try {
    const next = nextLine(lines, interrupted.signal);
    for (const [index, { file, finding }] of questions.entries()) {
      if (answer === "q") break;
      if (answer !== "a") {
        const alone = await replan(file, [finding]);
        terminal.ask(question(alone, finding, `${index + 1} of ${questions.length}`, terminal));
        answer = await ask(next, terminal);
      }
      if (answer === "y" || answer === "a") wanted.add(finding);
    }
  } finally {
    interrupted.end();
    lines.close();
  }
  const files = await Promise.all(planned.files.map((file) => chosen(file, wanted, replan)));
  return { ...planned, files };
}

function questionsOf({ files }: RunResult): readonly { file: FileResult; finding: Finding }[] {
  return files.flatMap((file) =>
    file.after === undefined
      ? []
      : file.findings.filter(({ kind }) => kind === "replaced").map((finding) => ({ file, finding })),
  );
}

function question(alone: FileResult, finding: Finding, count: string, terminal: Terminal): string {
  const paint = paintFor(terminal);
  const title = paint.bold(`${printable(alone.path)}:${finding.line}  ${finding.symbol}`);
  const head = `${title}  (${count})\n${printable(finding.message)}\n`;
  return `\n${head}\n${paintPatch(alone, paint).join("\n")}\n\nReplace this copy? [y/n/a/q/?] `;
}

async function ask(next: () => Promise<string | undefined>, terminal: Terminal): Promise<Answer> {
  for (;;) {
    const line = await next();
    if (line === undefined) {
      terminal.ask("\n");
      return "q";
    }
    const answer = line.trim().toLowerCase();
    if (answer === "y" || answer === "n" || answer === "a" || answer === "q") return answer;
    terminal.ask(`${answers}Replace this copy? [y/n/a/q/?] `);
  }
}

/** The next line of the input, or undefined at its end. */
function nextLine(lines: AsyncIterable<string>, interrupted: AbortSignal): () => Promise<string | undefined> {
  const iterator = lines[Symbol.asyncIterator]();
  const interrupt = new Promise<never>((_, reject) => {
    const stop = () => reject(new UsageError("interrupted; nothing was written"));
    interrupted.addEventListener("abort", stop, { once: true });
  });
  interrupt.catch(() => {}); // it may come between two questions
  return async () => {
    const { done, value } = await Promise.race([iterator.next(), interrupt]);
    return done ? undefined : value;
  };
}

function interruption(): { readonly signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.once("SIGINT", stop);
  return { signal: controller.signal, end: () => process.off("SIGINT", stop) };
}

async function chosen(file: FileResult, wanted: ReadonlySet<Finding>, replan: Replan): Promise<FileResult> {
  if (file.after === undefined) return file;
  const isKept = (finding: Finding) => finding.kind === "refused" || wanted.has(finding);
  const findings = file.findings.filter(isKept);
  if (findings.length === file.findings.length) return file;
  const replaced = findings.filter(({ kind }) => kind === "replaced");
  if (replaced.length === 0) return { ...file, findings, after: undefined };
  return { ...(await replan(file, replaced)), findings };
}
