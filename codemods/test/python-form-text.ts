import type { Expr, Step, Target } from "../src/form/form.ts";
import { pythonFrontEnd } from "../src/languages/python/front-end.ts";

/** Lowers the text of one Python file. */
export function lower(text: string, path = "model.py") {
  return pythonFrontEnd.lower({ path, language: "python", text });
}

/** The body of a function, or of the file itself, one step a line, in a short notation. */
export function stepsOf(text: string, symbol = "<module>"): readonly string[] {
  const form = lower(text);
  const members = form.classes.flatMap(({ methods }) => methods);
  const found = [form.module, ...form.functions, ...members].find((one) => one.symbol === symbol);
  if (found === undefined) throw new Error(`no function ${symbol}`);
  return found.body.flatMap(stepText);
}

/** The expression that the text is, in the same notation. */
export function expressionOf(text: string): string {
  return stepsOf(`x = ${text}`).join("\n").replace("x = ", "");
}

export function stepText(step: Step): readonly string[] {
  switch (step.kind) {
    case "assign":
      return [`${targetText(step.target)} ${step.operator ?? ""}= ${text(step.value)}`];
    case "evaluate":
      return [text(step.value)];
    case "branch": {
      const otherwise = step.otherwiseSpan === undefined ? [] : ["else", ...indented(step.otherwise)];
      return [`if ${text(step.test)}`, ...indented(step.then), ...otherwise];
    }
    case "scope":
      return [`scope ${text(step.context)}`, ...indented(step.body)];
    case "loop":
      return [
        `loop ${step.head.map(text).join(", ")}${step.target ? ` -> ${targetText(step.target)}` : ""}`,
        ...indented(step.body),
      ];
    case "return":
    case "leave":
      return [step.value === undefined ? step.kind : `${step.kind} ${text(step.value)}`];
    case "function":
      return [
        `def ${step.declared.symbol}(${step.declared.params.map(({ name }) => name)})`,
        ...indented(step.declared.body),
      ];
    case "opaque":
      return [`${step.what}! ${step.parts.map(text).join(", ")}`.trim(), ...indented(step.body)];
    default:
      return step satisfies never;
  }
}

function indented(steps: readonly Step[]): readonly string[] {
  return steps.flatMap(stepText).map((line) => `  ${line}`);
}

function targetText(target: Target | undefined): string {
  switch (target?.kind) {
    case "name":
      return target.name;
    case "attribute":
      return `${text(target.object)}.${target.name}`;
    case "index":
      return `${text(target.object)}[${text(target.index)}]`;
    case "tuple":
      return `(${target.items.map(targetText).join(", ")})`;
    case "rest":
      return `*${targetText(target.target)}`;
    default:
      return "?";
  }
}

function text(expr: Expr): string {
  switch (expr.kind) {
    case "name":
      return expr.name;
    case "self":
      return "SELF";
    case "attribute":
      return `${text(expr.object)}.${expr.name}`;
    case "call": {
      const args = expr.args.map(({ value, keyword, spread }) =>
        [spread ? "*" : "", keyword === undefined ? "" : `${keyword}=`, text(value)].join(""),
      );
      return `${text(expr.callee)}(${args.join(", ")})`;
    }
    case "index":
      return `${text(expr.object)}[${text(expr.index)}]`;
    case "tuple":
      return `(${expr.items.map(text).join(", ")})`;
    case "literal":
      return JSON.stringify(expr.value) ?? "undefined";
    case "operation":
      return `{${expr.operator} ${expr.operands.map(text).join(" ")}}`;
    case "choice":
      return `{${text(expr.test)} ? ${text(expr.then)} : ${text(expr.otherwise)}}`;
    case "closure":
      return `\\${expr.params.map(({ name }) => name).join(",")}. ${expr.body.flatMap(stepText).join("; ")}`;
    case "await":
      return `await ${text(expr.value)}`;
    case "opaque":
      return `${expr.what}![${expr.parts.map(text).join(", ")}]`;
    default:
      return expr satisfies never;
  }
}
