import type { Language } from "../files/source-files.ts";
import {
  type CopyForm,
  type HelperForm,
  isSameOrigin,
  type ReshapeForm,
  type StreamForm,
  streamKey,
} from "../helper/helper-form.ts";

/** The one helper that is right for most copies; `misfitOf` tells which ones it is wrong for. */
export function chooseForm(copies: readonly CopyForm[], language: Language): HelperForm {
  const call = mostFrequent(copies.flatMap((copy) => copy.call ?? [])) ?? "$norm($x)";
  const fitting = copies.filter((copy) => copy.call === undefined || copy.call === call);
  const reshape = fitting.some(({ reshapes }) => reshapes) ? chooseReshape(fitting, language) : undefined;
  const stream = chooseStream(fitting.flatMap((copy) => copy.stream ?? []));
  const tensors = fitting.flatMap((copy) => copy.tensor ?? []);
  const [tensor] = tensors;
  // One annotation is enough in Python; a type checker wants all copies to agree.
  const isTyped = language === "python" || tensors.length === fitting.length;
  const isOneType = tensors.every((one) => isSameOrigin(one, tensor));
  return {
    call,
    ...(reshape && { reshape }),
    ...(stream && { stream }),
    ...(isTyped && isOneType && tensor && { tensor }),
  };
}

function chooseStream(streams: readonly StreamForm[]): StreamForm | undefined {
  const key = mostFrequent(streams.map(streamKey));
  const alike = streams.filter((one) => streamKey(one) === key);
  const [first] = alike;
  if (first === undefined || alike.every(({ type }) => isSameOrigin(type, first.type))) return first;
  const { type: _, ...untyped } = first;
  return untyped;
}

function chooseReshape(copies: readonly CopyForm[], language: Language): ReshapeForm {
  const known = copies.flatMap(({ reshape, reshapes }) => (reshape && reshapes ? [reshape] : []));
  const rows = mostFrequent(known.map((one) => one.rows)) ?? defaultRows[language];
  const alike = known.filter((one) => one.rows === rows);
  const backs = alike.map(({ back }) => back);
  // In Python `reshape` does what `view` does, and more.
  const general = backs.find((back) => language === "python" && back === plainBack);
  const back = general ?? mostFrequent(backs) ?? plainBack;
  return { rows, back, origins: alike.find((one) => one.back === back)?.origins ?? [] };
}

const plainBack = "$x.reshape($like.shape)";
const defaultRows: Readonly<Record<Language, string>> = {
  typescript: "$x.reshape([-1, $dim])",
  javascript: "$x.reshape([-1, $dim])",
  python: "$x.reshape(-1, $dim)",
};

/** Why the helper is wrong for a copy, in words; undefined when it computes the same. */
export function misfitOf(copy: CopyForm, helper: HelperForm, language: Language): string | undefined {
  const { reshape: own } = copy;
  const { reshape: shared } = helper;
  if (copy.call !== undefined && copy.call !== helper.call) return otherWords(copy.call, helper.call);
  if (copy.stream !== undefined && helper.stream === undefined)
    return "it uses a second stream, and the helper does not";
  if (copy.stream && helper.stream && streamKey(copy.stream) !== streamKey(helper.stream))
    return "it says something else to its streams than the helper";
  if (shared === undefined)
    return copy.reshapes ? "it makes rows of heads, and the helper does not" : undefined;
  if (copy.frees)
    return "its tensors are freed by hand, and nobody would free the rows that the helper makes";
  if (copy.viewsHeadsFirst)
    return "its heads stand before its tokens, and `view` may not take what the helper makes of rows";
  if (!copy.reshapes) {
    return copy.byHead
      ? undefined
      : "the helper gives its norms one head a row, and nothing shows that these norms take that as they take whole tensors";
  }
  if (own === undefined || own.rows !== shared.rows) return own && otherWords(own.rows, shared.rows);
  const isEnough = language === "python" && shared.back === plainBack;
  return own.back === shared.back || isEnough ? undefined : otherWords(own.back, shared.back);
}

function otherWords(own: string, shared: string): string {
  const plain = (template: string) => template.replaceAll("$", "");
  return `it says \`${plain(own)}\`, and the helper \`${plain(shared)}\``;
}

/** The first of those that occur most often. */
function mostFrequent(items: readonly string[]): string | undefined {
  const count = (item: string) => items.filter((one) => one === item).length;
  return [...new Set(items)].sort((a, b) => count(b) - count(a))[0];
}
