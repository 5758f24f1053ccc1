import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { runCommand } from "../src/command/command.ts";
import { ModelFolder, step } from "./model-folder.ts";

const models = new ModelFolder();
const schema = JSON.parse(readFileSync(new URL("../schema/config.schema.json", import.meta.url), "utf8"));
const isValid = new Ajv2020({ allErrors: true, strictTypes: false }).compile(schema);

const profile = (entry: object) => ({ profiles: { own: { extends: "qknorm", ...entry } } });

describe("a configuration that is wrong is told by its key", () => {
  it.each([
    [{ profil: "x" }, "there is no key `profil`; known are $schema, profile, profiles"],
    [{ profile: 1 }, "`profile` must be a string, not 1"],
    [{ profiles: [] }, "`profiles` must be an object, not []"],
    [{ profiles: { own: "qknorm" } }, '`profiles.own` must be an object, not "qknorm"'],
    [{ profiles: { own: {} } }, "`profiles.own.extends` must be one of qknorm, sglang"],
    [{ profiles: { qknorm: { extends: "qknorm" } } }, "`profiles.qknorm` is a name that is taken"],
    [profile({ extends: "b" }), '`profiles.own.extends` must be one of qknorm, sglang, not "b"'],
    [profile({ norm: [] }), "there is no key `profiles.own.norm`; known are extends, helper, norms"],
    [profile({ norms: ["rms"] }), "`profiles.own.norms` must be a list made of plain-rms, unit-offset"],
    [profile({ helper: null }), "`profiles.own.helper` must be an object"],
    [profile({ helper: { name: "f" } }), "`profiles.own.helper.module` must be what an import names"],
    [
      profile({ helper: { name: "a.b", module: "m" } }),
      '`profiles.own.helper.name` must be the name of a function, not "a.b"',
    ],
    [
      profile({ helper: { name: "f", module: "m", path: "x" } }),
      "there is no key `profiles.own.helper.path`",
    ],
    [
      profile({ requiredAttributes: "weight" }),
      '`profiles.own.requiredAttributes` must be a list of names, not "weight"',
    ],
    [profile({ takesAltStream: "yes" }), '`profiles.own.takesAltStream` must be true or false, not "yes"'],
  ])("%j", async (config, message) => {
    await models.write("qknorm-codemod.json", JSON.stringify(config));
    const { exitCode, stdout, stderr } = await models.run([]);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(`qknorm-codemod: ${join(models.path, "qknorm-codemod.json")}: ${message}`);
    expect(isValid(config)).toBe(false);
  });

  it.each([
    ["{", "qknorm-codemod.json:1:2: this is not JSON"],
    ['{\n  "profile": "a",\n}', "qknorm-codemod.json:3:1: this is not JSON"],
    ["", "qknorm-codemod.json:1:1: this is not JSON"],
    ['{ "profile": "b" }', "there is no profile `b` ("],
  ])("%j", async (text, message) => {
    await models.write("qknorm-codemod.json", text);
    expect(await models.run([])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(message) });
  });

  it("when it cannot be read", async () => {
    const missing = join(models.path, "other.json");
    expect((await models.run(["--config", missing])).stderr).toContain(
      "cannot be read: there is no such file (ENOENT)",
    );
    expect((await models.run(["--config", models.path])).stderr).toContain(
      "cannot be read: it is a folder (EISDIR)",
    );
  });
});

describe("a configuration", () => {
  const config = {
    $schema: "./schema/config.schema.json",
    profile: "own",
    profiles: {
      own: {
        extends: "qknorm",
        helper: { name: "normalizeHeads", module: "#lib/heads" },
        norms: ["plain-rms", "unknown"],
        requiredAttributes: [],
        acceptsFunctions: true,
        takesAltStream: false,
        inPlace: true,
        helperInRepository: false,
      },
    },
  };

  it("names the helper that copies are replaced by", async () => {
    expect(isValid(config)).toBe(true);
    await models.write("qknorm-codemod.json", `\uFEFF${JSON.stringify(config)}`);
    await models.write("src/a.js", step);
    const { stdout } = await runCommand(["--diff", join(models.path, "src/a.js")]);
    expect(stdout).toContain('+import { normalizeHeads } from "#lib/heads";');
    expect(stdout).toContain("+    [q, k] = normalizeHeads(");
  });

  it("may name one that has to be there, and nothing is changed as long as it is not", async () => {
    const own = {
      ...config.profiles.own,
      helper: { name: "heads", module: "./heads.js" },
      helperInRepository: true,
    };
    await models.write("qknorm-codemod.json", JSON.stringify({ profile: "own", profiles: { own } }));
    await models.write("a.js", step);
    const missing = await models.run(["--write"]);
    expect(missing.exitCode).toBe(2);
    expect(missing.stdout).toContain(
      "the helper heads of profile own is not in ./heads.js, so nothing is changed",
    );
    expect(missing.stdout).toMatch(/--assume-helper .* or --emit-helper FILE/);
    expect(await models.read("a.js")).toBe(step);
    await models.write("heads.js", "export function heads(q, k) { return [q, k]; }\n");
    expect((await models.run(["--write"])).exitCode).toBe(0);
    expect(await models.read("a.js")).toContain("[q, k] = heads(");
  });
});
