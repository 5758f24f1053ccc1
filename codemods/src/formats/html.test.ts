import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ModelFolder, onlyQ, step, twice } from "../../test/model-folder.ts";
import { script } from "./html-script.ts";
import { style } from "./html-style.ts";

const models = new ModelFolder();

async function page(...args: readonly string[]): Promise<string> {
  const file = join(models.path, "report.html");
  const { exitCode } = await models.run(["--html", file, ...args]);
  expect(exitCode).toBe(0);
  return readFile(file, "utf8");
}

/** What a reader sees, without tags. */
const textOf = (html: string) =>
  html
    .replace(/<[^>]*>/g, "")
    .replaceAll("&#39;", "'")
    .replaceAll("&quot;", '"');

/** What can be chosen, by value and label. */
const optionsOf = (html: string) =>
  [...html.matchAll(/<option value="([^"]*)">([^<]*)/g)].map(([, value, label]) => `${value}: ${label}`);

describe("--html", () => {
  it("shows every finding before and after, with what to do about those that are kept", async () => {
    await models.write("a.js", twice);
    await models.write("b.js", onlyQ);
    const html = await page();
    const articles = html.split("<article").slice(1);
    expect(articles).toHaveLength(3);
    expect(textOf(html)).toContain("2 can be replaced, 1 kept, 2 files looked at.");
    expect(textOf(articles[0]!)).toMatch(/replaceAttention\.run\n.*a\.js:5\nqNorm and kNorm become one call/);
    expect(articles[0]).toMatch(
      /<tr class="removed"><td class="n">6<\/td><td class="n"><\/td><td class="m">-<\/td>/,
    );
    expect(articles[0]!.match(/class="added"[^\n]*\[q, k\] = /g)).toHaveLength(1); // each change stands alone
    expect(articles[2]).toContain('data-kind="refused" data-reason="one-sided"');
    expect(textOf(articles[2]!)).toContain("one-sided: Keep it; there is nothing to fuse it with.");
    expect(articles[2]).toMatch(/<tr class="kept"><td class="n">5<\/td>/);
  });

  it("numbers the lines as they were and as they will be", async () => {
    await models.write("a.js", step);
    const rows = [
      ...(await page()).matchAll(/<tr class="(\w+)"><td class="n">(\d*)<\/td><td class="n">(\d*)<\/td>/g),
    ];
    const after = rows.filter(([, kind]) => kind !== "removed").map(([, , , line]) => Number(line));
    const before = rows.filter(([, kind]) => kind !== "added").map(([, , line]) => Number(line));
    expect(after).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(before).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("marks the words that differ", async () => {
    await models.write(
      "b.ts",
      `// ${"-".repeat(110)}
class A {
  private norms(q: T, k: T) { return [this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape), this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape)]; }
  run(x: T) {
    const [q, k] = this.norms(this.toQ(x), this.toK(x)); // together
    return this.attend(q, k);
  }
}
`,
    );
    expect(await page()).toMatch(/<del>this\.norms<\/del>|<del>this\.<\/del>/);
  });

  it("lets nothing in a source, a name or a message become part of the page", async () => {
    const evil = `</td></table><script>alert(1)</script><img src=x onerror="alert(2)">'`;
    await models.write(
      '<b>&amp;".js',
      step.replace("let q", `/* ${evil} \u202E */ let q`).replace("Attention", "A"),
    );
    await models.write("b.js", onlyQ.replace("let q", `/* ${evil} */ let q`));
    const html = await page();
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html).not.toContain("<img");
    expect(html).not.toContain('<b>&amp;"');
    expect(html).toContain("&lt;b&gt;&amp;amp;&quot;.js");
    expect(html).not.toContain("\u202E");
    expect(html).toContain("\\u202e");
  });

  it("loads nothing, and allows itself its own style and script only", async () => {
    await models.write("a.js", step);
    const html = await page();
    expect(html).not.toMatch(/(?:src|href|action)\s*=|@import|url\(|https?:/i);
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)![1]!;
    expect(policy).toMatch(/^default-src 'none'; /);
    for (const [tag, source] of Object.entries({ style, script })) {
      expect(html).toContain(`<${tag}>${source}</${tag}>`);
      expect(policy).toContain(`sha256-${createHash("sha256").update(source).digest("base64")}`);
    }
    expect(() => new Function(script)).not.toThrow();
  });

  it("filters by the reasons that there are, and needs no script to show everything", async () => {
    await models.write("a.js", step);
    await models.write("b.js", onlyQ);
    await models.write("c.js", `// @generated\n${step}`);
    const html = await page();
    const [reasons] = html.split('name="folder"');
    expect(optionsOf(reasons!)).toEqual([
      ": all",
      "generated-file: generated-file (1)",
      "one-sided: one-sided (1)",
    ]);
    expect(html).toMatch(/<form [^>]*hidden>/);
    expect(html).not.toMatch(/<article[^>]*hidden/);
  });

  it("folds what is kept by reason, with a table of reasons, short paths and a choice of folders", async () => {
    for (let i = 0; i < 15; i++) await models.write(`src/m${i % 3}/one-${i}.js`, onlyQ);
    await models.write("src/m0/made.js", `// @generated\n${step}`);
    await models.write("src/m1/plain.js", step);
    const html = await page();
    expect(html.match(/<details class="group">/g)).toHaveLength(2); // closed
    expect(textOf(html)).toMatch(/generated-file: 1 copy[\s\S]*one-sided: 15 copies/);
    const rows = [...html.matchAll(/<tr><td>([\w-]+)<\/td><td class="n">(\d+)<\/td><td class="n">(\d+)/g)];
    expect(rows.map(([, ...row]) => row)).toEqual([
      ["generated-file", "1", "1"],
      ["one-sided", "15", "15"],
    ]);
    expect(optionsOf(html.split('name="folder"')[1]!)).toEqual([": all", "m0/: m0/", "m1/: m1/", "m2/: m2/"]);
    expect(html).toContain('data-path="m1/plain.js"');
    expect(textOf(html)).toMatch(/Paths are in .*src\/\n/);
  });

  it("is written for a run that finds nothing, and lists what was not looked at", async () => {
    await models.write("a.js", "\0");
    const text = textOf(await page("--write", "--allow-dirty"));
    expect(text).toContain("No copy of the step was found.");
    expect(text).toMatch(/skipped: .*a\.js: binary/);
  });
});
