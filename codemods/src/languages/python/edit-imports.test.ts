import { describe, expect, test } from "vitest";
import { lower } from "../../../test/python-form-text.ts";
import type { Span } from "../../form/form.ts";
import type { TextEdit } from "../../text/text-edits.ts";
import { pythonFrontEnd } from "./front-end.ts";

const helper = { module: "repo.models.utils", name: "apply_qk_norm" };

function added(text: string, wanted = helper): string {
  const edits = pythonFrontEnd.editImports(lower(text), { add: [wanted], drop: [], removed: [] });
  return applied(text, edits);
}

/** Takes `name` out of the imports; `gone` is text that other edits remove. */
function dropped(text: string, name: string, gone = "", path = "model.py"): string {
  const start = text.indexOf(gone);
  const removed: Span[] = gone === "" ? [] : [{ start, end: start + gone.length }];
  return applied(text, pythonFrontEnd.editImports(lower(text, path), { add: [], drop: [name], removed }));
}

function applied(text: string, edits: readonly TextEdit[]): string {
  let end = text.length;
  let out = "";
  for (const { span, text: replacement } of edits.toReversed()) {
    expect(span.end).toBeLessThanOrEqual(end);
    out = replacement + text.slice(span.end, end) + out;
    end = span.start;
  }
  return text.slice(0, end) + out;
}

function lines(...rows: readonly string[]): string {
  return rows.map((row) => `${row}\n`).join("");
}

describe("adding an import", () => {
  test("puts a statement between its neighbours in the section of its package", () => {
    const before = ["import torch", "", "from repo.layers.norm import RMSNorm  # why"];
    const after = ["# about the server", "from repo.server import args", "", "x = 1"];
    const statement = "from repo.models.utils import apply_qk_norm";
    expect(added(lines(...before, ...after))).toBe(lines(...before, statement, ...after));
  });

  test("puts it behind its closest relative where the statements are in no order", () => {
    const [near, far] = ["from repo.models.layers import x", "from repo.data import y"];
    const statement = "from repo.models.utils import apply_qk_norm";
    expect(added(lines(near, far, "from repo.tools import z"))).toBe(
      lines(near, statement, far, "from repo.tools import z"),
    );
  });

  test("puts it first or last in the section if that is its place", () => {
    const statement = "from repo.models.utils import apply_qk_norm";
    expect(added(lines("import os", "", "from repo.zoo import x"))).toBe(
      lines("import os", "", statement, "from repo.zoo import x"),
    );
    expect(added(lines("import repo.a", "from repo.layers import x", "", "y = 1"))).toBe(
      lines("import repo.a", "from repo.layers import x", statement, "", "y = 1"),
    );
    expect(added("from repo.layers import x")).toBe(`from repo.layers import x\n${statement}`);
  });

  test("ends the lines it writes as the file does", () => {
    expect(added("from repo.layers import x\r\ny = 1\r\n")).toBe(
      "from repo.layers import x\r\nfrom repo.models.utils import apply_qk_norm\r\ny = 1\r\n",
    );
  });

  test("makes a section of its own behind the absolute imports if no import has its package", () => {
    expect(added(lines("import torch", "from torch import nn", "", "from .norm import N", "", "x = 1"))).toBe(
      lines(
        "import torch",
        "from torch import nn",
        "",
        "from repo.models.utils import apply_qk_norm",
        "",
        "from .norm import N",
        "",
        "x = 1",
      ),
    );
  });

  test("stands below the docstring and the future imports of a file that imports nothing else", () => {
    expect(added(lines('"""Doc."""', "", "# x", "x = 1"))).toBe(
      lines('"""Doc."""', "", "from repo.models.utils import apply_qk_norm", "", "# x", "x = 1"),
    );
    expect(added(lines("from __future__ import annotations", "", "x = 1"))).toBe(
      lines(
        "from __future__ import annotations",
        "",
        "from repo.models.utils import apply_qk_norm",
        "",
        "x = 1",
      ),
    );
  });

  test("joins the parenthesised import of the module in sorted place, comments kept", () => {
    expect(
      added(
        lines("from repo.models.utils import (", "    A_CONSTANT,", "    AClass,  # c", "    enable,", ")"),
      ),
    ).toBe(
      lines(
        "from repo.models.utils import (",
        "    A_CONSTANT,",
        "    AClass,  # c",
        "    apply_qk_norm,",
        "    enable,",
        ")",
      ),
    );
    expect(
      added(lines("from repo.models.utils import (", "    Zebra,", "    able,", "    aBz,", "    zoo,", ")")),
    ).toContain(lines("    aBz,", "    apply_qk_norm,", "    zoo,"));
    expect(added(lines("from repo.models.utils import (", "\ta,  # last", ")"))).toBe(
      lines("from repo.models.utils import (", "\ta,  # last", "\tapply_qk_norm,", ")"),
    );
    expect(added(lines("from repo.models.utils import (a,", "                               abc)"))).toBe(
      lines(
        "from repo.models.utils import (a,",
        "                               abc,",
        "                               apply_qk_norm)",
      ),
    );
  });

  test("joins an import on one line, and wraps it when it gets too long", () => {
    expect(added(lines("from repo.models.utils import enable  # c"))).toBe(
      lines("from repo.models.utils import apply_qk_norm, enable  # c"),
    );
    expect(added(lines("from repo.models.utils import create_fused_argument, enable_fused_argument"))).toBe(
      lines(
        "from repo.models.utils import (",
        "    apply_qk_norm,",
        "    create_fused_argument,",
        "    enable_fused_argument,",
        ")",
      ),
    );
  });

  test("leaves a star import and an import under a condition as they are", () => {
    const text = lines("from repo.models.utils import *", "if x:", "    from repo.models.utils import y");
    expect(added(text)).toBe(text.replace("if x", "from repo.models.utils import apply_qk_norm\nif x"));
  });

  test("changes nothing when the name is imported already", () => {
    for (const name of ["apply_qk_norm", "(\n    apply_qk_norm,\n)"]) {
      const text = lines(`from repo.models.utils import ${name}`);
      expect(added(text)).toBe(text);
    }
    expect(added(lines("from repo.models.utils import apply_qk_norm as f"))).toBe(
      lines("from repo.models.utils import apply_qk_norm, apply_qk_norm as f"),
    );
  });

  test("of a relative module goes to the relative imports", () => {
    expect(added(lines("import torch", "", "from .norm import N"), { module: ".utils", name: "f" })).toBe(
      lines("import torch", "", "from .norm import N", "from .utils import f"),
    );
  });
});

describe("dropping an import", () => {
  test("takes the statement's line, and one blank line where two would meet", () => {
    expect(dropped(lines("import a", "from b import f", "import c"), "f")).toBe(
      lines("import a", "import c"),
    );
    expect(dropped(lines("import a", "", "from b import f", "", "x = 1"), "f")).toBe(
      lines("import a", "", "x = 1"),
    );
  });

  test("takes one name out of several, however they are laid out", () => {
    expect(dropped(lines("from b import a, f, c"), "f")).toBe(lines("from b import a, c"));
    expect(dropped(lines("from b import (", "    a,", "    f,  # c", ")"), "f")).toBe(
      lines("from b import (", "    a,", ")"),
    );
    expect(dropped(lines("from b import (a,", "    f)"), "f")).toBe(lines("from b import (a)"));
    expect(dropped(lines("from b import (a, f,", "    c)"), "f")).toBe(lines("from b import (a, ", "    c)"));
    expect(dropped(lines("import a, f"), "f")).toBe(lines("import a"));
    expect(dropped(lines("import a; from b import f"), "f")).toBe(lines("import a"));
    expect(dropped(lines("from b import f; import a"), "f")).toBe(lines("import a"));
  });

  test("keeps a name that is mentioned anywhere else, in a quoted annotation or __all__ too", () => {
    for (const use of ["f()", "x: 'list[f]' = 1", "__all__ = ['f']", "g.f", "x = f'{f}'"]) {
      const text = lines("from b import f", use);
      expect(dropped(text, "f")).toBe(text);
    }
  });

  test("does not count what is being removed, comments, other strings, or the path of another import", () => {
    expect(dropped(lines("import torch", "from torch import nn", "nn"), "torch")).toBe(
      lines("from torch import nn", "nn"),
    );
    expect(dropped(lines("from b import f", "# f", "x = 'f'", "y = f()"), "f", "f()")).toBe(
      lines("# f", "x = 'f'", "y = f()"),
    );
  });

  test("keeps what __init__ imports, what the linter is told to leave, and what is imported under a condition", () => {
    const text = lines("from b import f");
    expect(dropped(text, "f", "", "pkg/__init__.py")).toBe(text);
    const marked = lines("from b import (", "    f,  # noqa: F401", ")");
    expect(dropped(marked, "f")).toBe(marked);
    const guarded = lines("try:", "    from b import f", "except ImportError:", "    pass");
    expect(dropped(guarded, "f")).toBe(guarded);
  });

  test("and adding to one statement are edits that do not overlap", () => {
    const text = lines("from repo.models.utils import (", "    a,", "    b,", "    z,", ")");
    for (const drop of [["b"], ["a"], ["z"], ["a", "b"], ["b", "z"], ["a", "b", "z"]]) {
      const edits = pythonFrontEnd.editImports(lower(text), { add: [helper], drop, removed: [] });
      const after = lower(applied(text, edits));
      const names = after.imports.flatMap((one) => one.names.map(({ local }) => local));
      expect(after.errors).toEqual([]);
      expect(names).toEqual(["a", "apply_qk_norm", "b", "z"].filter((name) => !drop.includes(name)));
    }
  });
});

describe("following an import", () => {
  const files = new Set([
    "/r/python/repo/__init__.py",
    "/r/python/repo/layers/norm.py",
    "/r/python/repo/models/__init__.py",
    "/r/python/repo/models/utils.py",
    "/r/python/repo/models/repo/layers/norm.py",
    "/r/src/other/__init__.py",
  ]);
  const targets = (module: string, from = "/r/python/repo/models/qwen.py") =>
    pythonFrontEnd.importTargets(module, from, (path) => files.has(path));

  test("finds an absolute module from the folder that its package lies in, before any namesake", () => {
    expect(targets("repo.layers.norm")).toEqual([
      "/r/python/repo/layers/norm.py",
      "/r/python/repo/models/repo/layers/norm.py",
    ]);
  });

  test("does so in packages without __init__ too", () => {
    const plain = new Set([...files].filter((path) => !path.endsWith("__init__.py")));
    const found = pythonFrontEnd.importTargets("repo.layers.norm", "/r/python/repo/models/qwen.py", (path) =>
      plain.has(path),
    );
    expect(found[0]).toBe("/r/python/repo/layers/norm.py");
  });

  test("finds relative modules, packages and folders named src", () => {
    expect(targets(".utils")).toEqual(["/r/python/repo/models/utils.py"]);
    expect(targets(".")).toEqual(["/r/python/repo/models/__init__.py"]);
    expect(targets("..layers.norm")).toEqual(["/r/python/repo/layers/norm.py"]);
    expect(targets("other")).toEqual(["/r/src/other/__init__.py"]);
  });

  test("climbs above the current folder when the path is relative", () => {
    const exists = (path: string) => path === "../../repo/layers/norm.py";
    expect(pythonFrontEnd.importTargets("repo.layers.norm", "qwen.py", exists)).toEqual([
      "../../repo/layers/norm.py",
    ]);
  });

  test("gives nothing for a package that is out of reach", () => {
    expect(targets("torch.nn")).toEqual([]);
  });
});
