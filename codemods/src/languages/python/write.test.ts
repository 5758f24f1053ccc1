import { expect, test } from "vitest";
import type { CodeLayout, HelperCall } from "../front-end.ts";
import { pythonFrontEnd } from "./front-end.ts";

const layout: CodeLayout = {
  indent: "        ",
  unit: "    ",
  lineEnd: "\n",
  column: 15,
  width: 88,
  quote: '"',
};
const call: HelperCall = {
  callee: "apply_qk_norm",
  q: "q",
  k: "k",
  qNorm: "self.q_norm",
  kNorm: "self.k_norm",
  headDim: "self.head_dim",
  altStream: "self.alt_stream",
  layout,
};

test("a call that is too long for a line has one named argument a line and a trailing comma", () => {
  expect(pythonFrontEnd.writeCall(call)).toBe(
    [
      "apply_qk_norm(",
      "            q=q,",
      "            k=k,",
      "            q_norm=self.q_norm,",
      "            k_norm=self.k_norm,",
      "            head_dim=self.head_dim,",
      "            alt_stream=self.alt_stream,",
      "        )",
    ].join("\n"),
  );
});

test("a wrapped call uses the file's indentation and line ends", () => {
  const tabs = { ...layout, indent: "\t", unit: "\t", lineEnd: "\r\n" } as const;
  expect(pythonFrontEnd.writeCall({ ...call, layout: tabs })).toMatch(
    /^apply_qk_norm\(\r\n\t\tq=q,\r\n.*\r\n\t\)$/s,
  );
});

test("a call that fits stays on its line, to the last column", () => {
  const { altStream: _, ...short } = { ...call, qNorm: "qn", kNorm: "kn", headDim: "d" };
  const line = "apply_qk_norm(q=q, k=k, q_norm=qn, k_norm=kn, head_dim=d)";
  const at = (width: number) => pythonFrontEnd.writeCall({ ...short, layout: { ...layout, width } });
  expect(at(15 + line.length)).toBe(line);
  expect(at(14 + line.length)).toContain("\n");
});

test("a call says that q and k must not be overwritten only when that is so", () => {
  expect(pythonFrontEnd.writeCall({ ...call, allowInplace: false })).toContain("allow_inplace=False,\n");
  expect(pythonFrontEnd.writeCall(call)).not.toContain("allow_inplace");
});

test("assignments, comments and functions are Python's", () => {
  expect(pythonFrontEnd.writeAssignment({ q: "q", k: "k", value: "f(q, k)", semicolon: false })).toBe(
    "q, k = f(q, k)",
  );
  expect(pythonFrontEnd.writeComment("TODO(qk-norm): layer-norm")).toBe("# TODO(qk-norm): layer-norm");
  expect(pythonFrontEnd.writeFunction("x", "rms(x, w)")).toBe("lambda x: rms(x, w)");
});
