import { describe, expect, it } from "vitest";
import { ModelFolder, onlyQ, step } from "./model-folder.ts";

const models = new ModelFolder();

const python = `class Attention:
    def forward(self, q, k):
\tif True:
\t    q = self.q_norm(q.view(-1, self.head_dim)).view(q.shape)
\treturn q, k
`.replaceAll("\t", "        ");

async function marked(name: string, source: string): Promise<string> {
  await models.write(name, source);
  expect((await models.run(["--mark", "--write", "--allow-dirty"])).exitCode).toBe(0);
  return models.read(name);
}

describe("--mark", () => {
  it("says above a copy that is kept why it is, with its indentation and line end", async () => {
    const text = await marked("a.js", onlyQ.replaceAll("\n", "\r\n"));
    const mark = /^ {4}\/\/ TODO\(qk-norm\): one-sided: .*\r\n/m;
    expect(text).toMatch(mark);
    expect(text.replace(mark, "")).toBe(onlyQ.replaceAll("\n", "\r\n"));
    expect(text.split("\r\n")[5]).toContain("q = this.qNorm.forward");
  });

  it("writes Python comments in Python", async () => {
    expect(await marked("a.py", python)).toMatch(/^ {12}# TODO\(qk-norm\): unknown-norm: .*\n {12}q = /m);
  });

  it("does not mark twice", async () => {
    const once = await marked("a.js", onlyQ);
    expect(await marked("a.js", once)).toBe(once);
    expect(await models.report("--mark", "--check")).toMatchObject({ exitCode: 0, summary: { refused: 1 } });
  });

  it("marks beside copies that it replaces, and shows it in a dry run", async () => {
    const both = `${step}${onlyQ.replace("Attention", "Lonely")}`;
    await models.write("a.js", both);
    const { stdout } = await models.run(["--mark", "--diff"]);
    expect(stdout).toContain("+    // TODO(qk-norm): one-sided");
    const text = await marked("a.js", both);
    expect(text).toContain("= applyQkNorm(");
    expect(text.indexOf("// TODO(qk-norm)")).toBeGreaterThan(text.indexOf("class Lonely"));
  });

  it("writes another reason over an old one, and takes the mark out once the copy can be replaced", async () => {
    const old = onlyQ.replace(
      "    q = this.qNorm",
      "    // TODO(qk-norm): third-norm: of old\n    q = this.qNorm",
    );
    const text = await marked("a.js", old);
    expect(text).not.toContain("third-norm");
    expect(text.match(/TODO/g)).toHaveLength(1);
    const mended = step.replace(
      "    q = this.qNorm",
      "    // TODO(qk-norm): one-sided: of old\n    q = this.qNorm",
    );
    expect(await marked("a.js", mended)).not.toContain("TODO");
  });

  it("names no place in another file, which would be another one tomorrow", async () => {
    await models.write(
      "norms.py",
      `class OffsetNorm:
    def __init__(self, dim):
        self.weight = zeros(dim)
        self.eps = 1e-6

    def forward(self, x):
        return x * rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * (1.0 + self.weight)
`,
    );
    const text = await marked(
      "a.py",
      `from norms import OffsetNorm


class Attention:
    def __init__(self, head_dim):
        self.head_dim = head_dim
        self.q_norm = OffsetNorm(head_dim)
        self.k_norm = OffsetNorm(head_dim)

    def forward(self, q, k):
        q = self.q_norm(q.view(-1, self.head_dim)).view(q.shape)
        k = self.k_norm(k.view(-1, self.head_dim)).view(k.shape)
        return q, k
`,
    );
    expect(text).toMatch(
      /# TODO\(qk-norm\): unit-offset-norm: the q norm \(OffsetNorm\) multiplies by \(1 \+ weight\); /,
    );
  });

  it("leaves out a mark that would not be a comment", async () => {
    const inText = onlyQ.replace("    q = this.qNorm", "    const text = `\n`; q = this.qNorm");
    expect(await marked("a.js", inText)).toBe(inText);
    expect(await models.report()).toMatchObject({ summary: { refused: 1 } });
  });

  it.each([
    ["generated files", `// @generated\n${step}`],
    ["files that do not parse", `${onlyQ}}`],
  ])("leaves %s alone", async (_, source) => {
    expect(await marked("a.js", source)).toBe(source);
  });
});
