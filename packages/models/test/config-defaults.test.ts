import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const golden = join(import.meta.dirname, "../golden");
/** By family, what transformers' config class has for each key. */
const keys = readdirSync(golden).flatMap((family) => {
  const path = join(golden, family, "keys.json");
  const { fields } = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
  return fields === undefined ? [] : [[family, fields as Record<string, { default: unknown }>] as const];
});

type Parse = (raw: unknown, warn: (said: string) => void) => unknown;

/** The parser of a family's configs. */
async function parserOf(family: string): Promise<Parse> {
  const module: Record<string, unknown> = await import(`../src/families/${family}/config.ts`);
  const [name = ""] = Object.keys(module).filter((key) => /^parse\w+Config$/.test(key));
  return module[name] as Parse;
}

describe.each(keys)("a config of %s", (family, fields) => {
  const known = Object.entries(fields).filter(([, field]) => field.default !== null);
  const variant = readdirSync(join(golden, family)).find((name) =>
    existsSync(join(golden, family, name, "config.json")),
  );
  const raw = JSON.parse(readFileSync(join(golden, family, variant as string, "config.json"), "utf8"));

  it.each(known)("that leaves out %s takes transformers' default, or asks for it", async (key, field) => {
    const parse = await parserOf(family);
    const { [key]: _, ...rest } = raw;
    let without: unknown;
    try {
      without = parse(rest, () => {});
    } catch (error) {
      expect(error).toMatchObject({ code: "ERR_CHECKPOINT" });
      return;
    }
    expect(without).toEqual(parse({ ...rest, [key]: field.default }, () => {}));
  });
});
