// What a mutant changes: one small fault at one place of one file, as a slip of the hand would make it.
import ts from "typescript";

const SWAPS = new Map([
  ["<", "<="],
  ["<=", "<"],
  [">", ">="],
  [">=", ">"],
  ["===", "!=="],
  ["!==", "==="],
  ["==", "!="],
  ["!=", "=="],
  ["+", "-"],
  ["-", "+"],
  ["*", "/"],
  ["/", "*"],
  ["%", "*"],
  ["&&", "||"],
  ["||", "&&"],
]);

/**
 * All mutants of a file's text: `{ at, length, text, kind }`, the span that is replaced and by what, and in TypeScript `probe`, the span
 * of the expression that has it. C++ and CUDA are told from TypeScript by the name.
 */
export function mutationsOf(name, text) {
  return /\.(cc|h|c|cu|cuh)$/.test(name) ? ofCpp(text) : ofScript(name, text);
}

function ofScript(name, text) {
  const file = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  const found = [];
  const spanOf = (node) => ({ at: node.getStart(file), length: node.getWidth(file) });
  const put = (node, replacement, kind, expression = node) =>
    found.push({ ...spanOf(node), text: replacement, kind, probe: spanOf(expression) });
  const visit = (node) => {
    // Types do nothing at run time, and words of a message are no behaviour that a slip would change.
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node)) return;
    if (ts.isBinaryExpression(node)) {
      const operator = node.operatorToken.getText(file);
      const swap = SWAPS.get(operator);
      if (swap !== undefined && !isText(node.left) && !isText(node.right)) {
        put(node.operatorToken, swap, `${operator} to ${swap}`, node);
      }
    } else if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
      put(node, node.operand.getText(file), "negation left out");
    } else if (node.kind === ts.SyntaxKind.TrueKeyword || node.kind === ts.SyntaxKind.FalseKeyword) {
      put(node, node.kind === ts.SyntaxKind.TrueKeyword ? "false" : "true", "boolean turned");
    } else if (ts.isNumericLiteral(node) && node.parent.name !== node) {
      put(node, `(${node.text} + 1)`, "number one more");
    } else if (ts.isIfStatement(node)) {
      put(node.expression, "false", "condition never true");
    } else if (ts.isConditionalExpression(node)) {
      const [then, otherwise] = [node.whenTrue.getText(file), node.whenFalse.getText(file)];
      put(node, `(${node.condition.getText(file)} ? ${otherwise} : ${then})`, "branches exchanged");
    } else if (ts.isExpressionStatement(node) && ts.isCallExpression(node.expression)) {
      put(node, ";", "call left out", node.expression);
    } else if (ts.isSpreadAssignment(node) || ts.isSpreadElement(node)) {
      put(node.expression, ts.isSpreadElement(node) ? "[]" : "{}", "spread left out");
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function isText(node) {
  return ts.isStringLiteral(node) || ts.isTemplateLiteral(node);
}

// Binary operators have spaces around them in our C++, and templates none.
const CPP = [
  [
    /(?<= )(<=|>=|==|!=|&&|\|\||[<>+\-*/%])(?= )/g,
    (match) => SWAPS.get(match),
    (match) => `${match} to ${SWAPS.get(match)}`,
  ],
  [/\b(true|false)\b/g, (match) => (match === "true" ? "false" : "true"), () => "boolean turned"],
  [/(?<![\w.'"])\d+(?![\w.'"])/g, (match) => `(${match} + 1)`, () => "number one more"],
  [/(?<=\bif \()[^;{}()]*(?:\([^()]*\)[^;{}()]*)*(?=\) )/g, () => "false", () => "condition never true"],
  [/(?<=\n +)[a-z][\w.>:-]*\([^;{}]*\);(?=\n)/g, () => ";", () => "call left out"],
  [/!(?=[a-z(])/g, () => "", () => "negation left out"],
];

function ofCpp(text) {
  const code = blanked(text);
  return CPP.flatMap(([pattern, replacement, kind]) =>
    [...code.matchAll(pattern)]
      .filter((match) => !text.slice(text.lastIndexOf("\n", match.index) + 1).startsWith("#"))
      .map((match) => ({
        at: match.index,
        length: match[0].length,
        text: replacement(match[0]),
        kind: kind(match[0]),
      })),
  );
}

// Comments, texts and what only the compiler reads, as spaces of the same length.
function blanked(text) {
  return text.replace(
    /\/\/.*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\btemplate <.*>|\bstatic_assert\([^;]*;/g,
    (match) => " ".repeat(match.length),
  );
}
