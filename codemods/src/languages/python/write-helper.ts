import type { HelperForm, StreamForm } from "../../helper/helper-form.ts";
import { fill } from "../../helper/template-parts.ts";
import type { HelperText } from "../front-end.ts";

/** See `LanguageFrontEnd.writeHelper`. */
export function writeHelper({ name, form, style, opening: first }: HelperText): string {
  const tensor = form.tensor?.written;
  const params = paramsOf(form, tensor);
  const returns = tensor === undefined ? "" : ` -> Tuple[${tensor}, ${tensor}]`;
  const line = `def ${name}(${params.join(", ")})${returns}:`;
  const opening =
    line.length <= style.width
      ? [line]
      : [`def ${name}(`, ...params.map((one) => `\t${one},`), `)${returns}:`];
  const lines = [
    ...opening,
    ...[...documentation(form), ...first, ...(first.length > 0 ? [""] : []), ...bodyOf(form)].map(
      (one) => `\t${one}`,
    ),
  ];
  return lines
    .map((one) => one.replace(/^\t+/, (tabs) => style.unit.repeat(tabs.length)).trimEnd())
    .join(style.lineEnd);
}

function documentation({ reshape, stream }: HelperForm): readonly string[] {
  const what = reshape === undefined ? "q and k, each by its own norm" : "each head of q and k";
  const first = `Normalises ${what}; both keep their shape.`;
  if (stream === undefined) return [`"""${first}"""`];
  const when = stream.test === "" ? "beside q" : `where ${stream.test} holds`;
  return [`"""${first}`, "", `k runs on alt_stream, if there is one, ${when}.`, '"""'];
}

function paramsOf({ reshape, stream }: HelperForm, tensor: string | undefined): readonly string[] {
  const typed = (name: string, type: string) => (tensor === undefined ? name : `${name}: ${type}`);
  return [
    typed("q", tensor ?? ""),
    typed("k", tensor ?? ""),
    "q_norm",
    "k_norm",
    ...(reshape === undefined ? [] : [typed("head_dim", "int")]),
    ...(stream === undefined ? [] : ["alt_stream=None"]),
  ];
}

function bodyOf(form: HelperForm): readonly string[] {
  const { stream, reshape } = form;
  const normed = (side: "q" | "k") => {
    const x = reshape === undefined ? side : fill(reshape.rows, { x: side, dim: "head_dim" });
    return fill(form.call, { norm: `${side}_norm`, x });
  };
  const back = (side: "q" | "k") =>
    reshape === undefined ? `${side}_normed` : fill(reshape.back, { x: `${side}_normed`, like: side });
  const [q, k] = (["q", "k"] as const).map((side) => `${side}_normed = ${normed(side)}`) as [string, string];
  const result = `return ${back("q")}, ${back("k")}`;
  if (stream === undefined) {
    return reshape === undefined ? [`return ${normed("q")}, ${normed("k")}`] : [q, k, result];
  }
  const say = (template: string) => `\t${fillStream(template, stream)}`;
  return [
    `if ${["alt_stream is not None", stream.test].filter(Boolean).join(" and ")}:`,
    ...stream.before.map(say),
    `\t${q}`,
    say(stream.on),
    `\t\t${k}`,
    ...stream.after.map(say),
    "else:",
    `\t${q}`,
    `\t${k}`,
    result,
  ];
}

function fillStream(template: string, { locals }: StreamForm): string {
  return fill(template, { alt: "alt_stream", ...Object.fromEntries(locals.entries()) });
}
