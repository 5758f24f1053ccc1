import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import treeSitter from "@vscode/tree-sitter-wasm";
import { describe, expect, it } from "vitest";
import { pythonFixtures } from "../../../test/python-run.ts";
import { readTree, type SyntaxNode } from "./syntax-tree.ts";

const require = createRequire(import.meta.url);
const parser = new treeSitter.Parser();
parser.setLanguage(
  await treeSitter.Language.load(require.resolve("@vscode/tree-sitter-wasm/wasm/tree-sitter-python.wasm")),
);

/** Every node as tree-sitter itself tells of it: kind, offsets, its parent's kind and the fields that lead to it. */
function own(node: treeSitter.Node): readonly string[] {
  const fields = node.children.flatMap((child, i) =>
    child === null ? [] : [node.fieldNameForChild(i) ?? ""],
  );
  return [
    `${node.type} ${node.startIndex} ${node.endIndex} ${node.isNamed} ${node.parent?.type} ${fields.join()}`,
    ...node.children.flatMap((child) => (child === null ? [] : own(child))),
  ];
}

function copied(node: SyntaxNode): readonly string[] {
  const fields = node.children.map(({ fieldName }) => fieldName ?? "");
  return [
    `${node.kind} ${node.start} ${node.end} ${node.isNamed} ${node.parent?.kind} ${fields.join()}`,
    ...node.children.flatMap(copied),
  ];
}

describe("a tree that was copied", () => {
  const broken = [
    "def f(x:\n    return (x, [1, 2\n",
    "x = {1: 2, 3 4}\ny.\n",
    "match x:\n  case [1, *rest]: pass\n",
    "class A:\n",
    "s = '\u{1f600}' + f\"{a[1]:>{w}}\"\n",
  ];
  const fixtures = readdirSync(pythonFixtures, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".py"))
    .map((name) => readFileSync(join(pythonFixtures, name), "utf8"));

  it("is that of tree-sitter, node by node, for every fixture and for what does not parse", () => {
    for (const text of [...fixtures, ...broken]) {
      const parsed = parser.parse(text)!;
      expect(copied(readTree(text)), text).toEqual(own(parsed.rootNode));
      parsed.delete();
    }
  });
});
