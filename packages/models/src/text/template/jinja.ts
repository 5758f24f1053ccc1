import * as library from "@huggingface/jinja";
import { cut, type Segment } from "./segments.ts";
import { asFilters, markBrackets, splitSigns, type Token } from "./tokens.ts";

// The library's types do not resolve under NodeNext; this is what is used of it.

/** A node of a parsed template. */
export interface Node {
  readonly type: string;
  readonly value?: unknown;
  readonly name?: Node;
  readonly key?: Node;
  readonly operator?: Token;
  readonly operand?: Node;
  readonly argument?: Node;
  readonly left?: Node;
  readonly right?: Node;
  readonly lhs?: Node;
  readonly test?: Node;
  readonly negate?: boolean;
  readonly condition?: Node;
  readonly trueExpr?: Node;
  readonly falseExpr?: Node;
  readonly filter?: Node;
  readonly callee?: Node;
  readonly args?: readonly Node[];
  readonly object?: Node;
  readonly property?: Node;
  readonly computed?: boolean;
  readonly start?: Node;
  readonly stop?: Node;
  readonly step?: Node;
  readonly assignee?: Node;
  readonly loopvar?: Node;
  readonly iterable?: Node;
  readonly call?: Node;
  readonly callerArgs?: readonly Node[] | null;
  readonly body?: readonly Node[];
  readonly alternate?: readonly Node[];
  readonly defaultBlock?: readonly Node[];
}

interface Jinja {
  readonly tokenize: (source: string) => readonly Token[];
  readonly parse: (tokens: readonly Token[]) => Node;
}

const jinja = library as unknown as Jinja;

/** The filter that a `generation` block, with which transformers marks answers, becomes: it has a scope, and changes nothing. */
export const GENERATION = "generation block";

/** Parses a template as transformers sets Jinja up. The library parses tags; what is around them is cut here. @throws for what is not Jinja */
export function parseTemplate(source: string): Node {
  return jinja.parse(cut(source).flatMap(tokensOf));
}

function tokensOf({ kind, text }: Segment): readonly Token[] {
  if (kind === "text") return [{ type: "Text", value: text }];
  if (kind === "expression") return tag(`{{ ${text} }}`);
  const words = text.trim();
  if (words === "generation") return statement(["filter", GENERATION]);
  if (words === "endgeneration") return statement(["endfilter"]);
  return tag(`{% ${text} %}`);
}

function tag(source: string): readonly Token[] {
  return asFilters(markBrackets(splitSigns(jinja.tokenize(source))));
}

function statement(names: readonly string[]): readonly Token[] {
  const tokens = names.map((value) => ({ type: "Identifier", value }));
  return [{ type: "OpenStatement", value: "{%" }, ...tokens, { type: "CloseStatement", value: "%}" }];
}
