import type { HelperForm, StreamForm } from "../../helper/helper-form.ts";
import { fill } from "../../helper/template-parts.ts";
import type { HelperText } from "../front-end.ts";

const names = { q: "q", k: "k", qNorm: "qNorm", kNorm: "kNorm", dim: "headDim", alt: "altStream" } as const;

/** See `LanguageFrontEnd.writeHelper`. */
export function writeHelper(helper: HelperText): string {
  const { name, form, style, dialect } = helper;
  const end = style.semicolon ? ";" : "";
  const types = dialect === "typescript" ? typesOf(helper) : undefined;
  const params = paramsOf(form, types);
  const keyword = dialect === "commonjs" ? "function" : "export function";
  const head = `${keyword} ${name}${types?.generic ?? ""}`;
  const returns = types === undefined ? "" : `: [${types.tensor}, ${types.tensor}]`;
  const line = `${head}(${params.join(", ")})${returns} {`;
  const opening =
    line.length <= style.width ? [line] : [`${head}(`, ...params.map((one) => `\t${one},`), `)${returns} {`];
  const lines = [
    ...(types?.declarations ?? []),
    ...documentation(form),
    ...opening,
    ...bodyOf(form, end).map((one) => `\t${one}`),
    "}",
    ...(dialect === "commonjs" ? ["", `module.exports.${name} = ${name}${end}`] : []),
  ];
  return lines
    .map((one) => one.replace(/^\t+/, (tabs) => style.unit.repeat(tabs.length)))
    .join(style.lineEnd);
}

function documentation({ reshape, stream }: HelperForm): readonly string[] {
  const what = reshape === undefined ? "q and k, each by its own norm" : "each head of q and k";
  const first = `Normalises ${what}; both keep their shape.`;
  if (stream === undefined) return [`/** ${first} */`];
  const when = stream.test === "" ? "" : ` where \`${fill(stream.test, {})}\` holds`;
  return ["/**", ` * ${first}`, ` * k runs on \`altStream\`, if there is one,${when || " beside q"}.`, " */"];
}

interface Types {
  readonly tensor: string;
  readonly norm: string;
  readonly generic: string;
  readonly declarations: readonly string[];
}

/** The tensor type of the repository where it is known; else what the step asks of a tensor. */
function typesOf({ form, style, fresh }: HelperText): Types {
  const end = style.semicolon ? ";" : "";
  const known = form.tensor?.written;
  const norm = fresh("HeadNorm");
  if (known !== undefined)
    return { tensor: known, norm, generic: "", declarations: normType(norm, known, form, end) };
  const ofT = `${norm}<T>`;
  const declared = normType(ofT, "T", form, end);
  if (form.reshape === undefined) return { tensor: "T", norm: ofT, generic: "<T>", declarations: declared };
  const tensor = fresh("HeadTensor");
  const [called] = /^[^$(]+/.exec(form.reshape.rows) ?? [];
  if (called !== undefined) {
    const alias = [`type ${tensor} = Parameters<typeof ${called}>[0]${end}`, ""];
    return { tensor, norm, generic: "", declarations: [...alias, ...normType(norm, tensor, form, end)] };
  }
  const members = membersOf(form.reshape).map((one) => `\t${one}${end}`);
  const shape = ["/** What the step asks of a tensor. */", `interface ${tensor}<T> {`, ...members, "}", ""];
  return {
    tensor: "T",
    norm: ofT,
    generic: `<T extends ${tensor}<T>>`,
    declarations: [...shape, ...declared],
  };
}

function normType(norm: string, tensor: string, { call }: HelperForm, end: string): readonly string[] {
  const method = /^\$norm\.(\w+)\(/.exec(call)?.[1];
  if (method === undefined) return [`type ${norm} = (x: ${tensor}) => ${tensor}${end}`, ""];
  return [`interface ${norm} {`, `\t${method}(x: ${tensor}): ${tensor}${end}`, "}", ""];
}

/** The members of a tensor that the templates use: `reshape(shape: readonly number[]): T`. */
function membersOf({ rows, back }: NonNullable<HelperForm["reshape"]>): readonly string[] {
  const methods = [rows, back].flatMap((template) => {
    const [, name, given] = /^\$x\.(\w+)\((.*)\)$/.exec(template) ?? [];
    if (name === undefined || given === undefined) return [];
    if (given === "$like") return [`${name}(other: T): T`];
    const isList = given.startsWith("[") || given.startsWith("$like");
    return [`${name}(${isList ? "shape" : "...shape"}: readonly number[]): T`];
  });
  const read = /\$like\.(\w+)(\(\))?/.exec(back);
  const shape =
    read?.[2] === undefined ? "readonly shape: readonly number[]" : `${read[1]}(): readonly number[]`;
  return [...new Set([...(read === null ? [] : [shape]), ...methods])];
}

function paramsOf({ reshape, stream }: HelperForm, types: Types | undefined): readonly string[] {
  const typed = (name: string, type: string | undefined) => (type === undefined ? name : `${name}: ${type}`);
  const nothing = stream?.nullable ? "null | undefined" : "undefined";
  const options = types && `{ readonly altStream?: ${stream?.type?.written ?? "never"} | ${nothing} }`;
  return [
    typed(names.q, types?.tensor),
    typed(names.k, types?.tensor),
    typed(names.qNorm, types?.norm),
    typed(names.kNorm, types?.norm),
    ...(reshape === undefined ? [] : [typed(names.dim, types && "number")]),
    ...(stream === undefined ? [] : [`${typed("{ altStream }", options)} = {}`]),
  ];
}

function bodyOf(form: HelperForm, end: string): readonly string[] {
  const { stream, reshape } = form;
  const normed = (side: "q" | "k") => {
    const x = reshape === undefined ? side : fill(reshape.rows, { x: side, dim: names.dim });
    return fill(form.call, { norm: side === "q" ? names.qNorm : names.kNorm, x });
  };
  const back = (side: "q" | "k") =>
    reshape === undefined ? `${side}Normed` : fill(reshape.back, { x: `${side}Normed`, like: side });
  const result = `return [${back("q")}, ${back("k")}]${end}`;
  const q = `const qNormed = ${normed("q")}${end}`;
  const plain =
    reshape === undefined
      ? [`return [${normed("q")}, ${normed("k")}]${end}`]
      : [q, `const kNormed = ${normed("k")}${end}`, result];
  if (stream === undefined) return plain;
  const say = (template: string) => `\t${fillStream(template, stream)}${end}`;
  return [
    `if (${[isThere(stream), stream.test].filter(Boolean).join(" && ")}) {`,
    ...stream.before.map(say),
    `\t${q}`,
    `\tconst kNormed = ${fill(fillStream(stream.on, stream), { work: normed("k") })}${end}`,
    ...stream.after.map(say),
    `\t${result}`,
    "}",
    ...plain,
  ];
}

function isThere({ nullable }: StreamForm): string {
  return nullable ? `${names.alt} != null` : `${names.alt} !== undefined`;
}

function fillStream(template: string, { locals }: StreamForm): string {
  return fill(template, { alt: names.alt, ...Object.fromEntries(locals.entries()) });
}
