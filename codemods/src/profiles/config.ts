import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describeFailure } from "../failures/failure.ts";
import { UsageError } from "../failures/usage-error.ts";
import { builtInProfiles, type Profile } from "./profile.ts";

const fileName = "qknorm-codemod.json";
const normKinds = ["plain-rms", "unit-offset", "weightless", "layer", "l2", "unknown"];

/** The profiles of a run, frozen: the one that was asked for, or one for each language. */
export function loadProfiles(wanted: string | undefined, configPath: string | undefined, firstPath: string) {
  const path = configPath ?? nearestConfig(resolve(firstPath));
  const config = path === undefined ? {} : readConfig(path);
  const own = Object.entries(config.profiles ?? {}).map(([name, entry]) => profileOf(name, entry, path!));
  const all = [...own, ...builtInProfiles];
  const name = wanted ?? config.profile;
  if (name === undefined) return Object.freeze(all.filter((one) => builtInProfiles.includes(one)));
  const found = all.find((one) => one.name === name);
  if (found !== undefined) {
    return Object.freeze([found, ...(wanted === undefined ? others(found) : [])]);
  }
  const known = all.map((one) => one.name).join(", ");
  throw new UsageError(
    `there is no profile \`${name}\`${wanted === undefined ? ` (${path}: profile)` : ""}; known are ${known}`,
  );
}

/** The configuration chooses for its own languages; files in another one are still looked at. */
function others(chosen: Profile): readonly Profile[] {
  return builtInProfiles.filter(({ languages }) => !languages.some((one) => chosen.languages.includes(one)));
}

function nearestConfig(start: string): string | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    const path = join(folder, fileName);
    if (existsSync(path)) return path;
    if (existsSync(join(folder, ".git")) || dirname(folder) === folder) return undefined;
  }
}

interface Config {
  readonly profile?: string;
  readonly profiles?: Readonly<Record<string, Record<string, unknown>>>;
}

function readConfig(path: string): Config {
  const config = objectAt(parseConfig(path), path, "the file");
  refuseUnknownKeys(config, ["$schema", "profile", "profiles"], path, "");
  if (config.profile !== undefined && typeof config.profile !== "string")
    throw wrong(path, "profile", "a string", config.profile);
  const profiles = config.profiles === undefined ? {} : objectAt(config.profiles, path, "profiles");
  for (const [name, entry] of Object.entries(profiles)) {
    objectAt(entry, path, `profiles.${name}`);
    if (builtInProfiles.some((one) => one.name === name))
      throw new UsageError(`${path}: \`profiles.${name}\` is a name that is taken; give yours another one`);
  }
  return config as Config;
}

function parseConfig(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8").replace(/^\uFEFF/, "");
  } catch (cause) {
    throw new UsageError(`${path} cannot be read: ${describeFailure(cause)}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = String((cause as Error).message);
    const offset = Number(/ at position (\d+)/.exec(message)?.[1] ?? text.length);
    const lines = text.slice(0, offset).split("\n");
    const place = `${path}:${lines.length}:${lines.at(-1)!.length + 1}`;
    throw new UsageError(
      `${place}: this is not JSON: ${message.replace(/ (?:in JSON )?at position.*/, "")}`,
      {
        cause,
      },
    );
  }
}

interface KeyRule {
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
}

const isName = (value: unknown) => typeof value === "string" && /^[\p{L}_$][\p{L}\d_$]*$/u.test(value);
const isKind = (value: unknown) => normKinds.includes(value as string);
const listOf = (holds: (value: unknown) => boolean) => (value: unknown) =>
  Array.isArray(value) && value.every(holds);

const trueOrFalse: KeyRule = { expected: "true or false", holds: (value) => typeof value === "boolean" };

/** What each key of a profile may be; `schema/config.schema.json` says the same. */
const profileKeys: Readonly<Record<string, KeyRule>> = {
  extends: {
    expected: `one of ${builtInProfiles.map(({ name }) => name).join(", ")}`,
    holds: (value) => builtInProfiles.some(({ name }) => name === value),
  },
  helper: { expected: "an object with `name` and `module`", holds: (value) => typeof value === "object" },
  norms: { expected: `a list made of ${normKinds.join(", ")}`, holds: listOf(isKind) },
  requiredAttributes: { expected: "a list of names", holds: listOf(isName) },
  acceptsFunctions: trueOrFalse,
  takesAltStream: trueOrFalse,
  inPlace: trueOrFalse,
  headsFirst: {
    expected: "refused, as-is or option",
    holds: (value) => ["refused", "as-is", "option"].includes(value as string),
  },
  helperInRepository: trueOrFalse,
};

function profileOf(name: string, entry: Record<string, unknown>, path: string): Profile {
  const at = `profiles.${name}`;
  refuseUnknownKeys(entry, Object.keys(profileKeys), path, `${at}.`);
  for (const [key, { expected, holds }] of Object.entries(profileKeys)) {
    const isNeeded = key === "extends";
    if ((isNeeded || entry[key] !== undefined) && !holds(entry[key]))
      throw wrong(path, `${at}.${key}`, expected, entry[key]);
  }
  const base = builtInProfiles.find((one) => one.name === entry.extends)!;
  const { extends: _, helper: given, ...own } = entry;
  const helper = given === undefined ? base.helper : helperOf(given, path, `${at}.helper`);
  return Object.freeze({ ...base, ...own, name, helper }) as Profile;
}

function helperOf(value: unknown, path: string, at: string): Profile["helper"] {
  const helper = objectAt(value, path, at);
  refuseUnknownKeys(helper, ["name", "module"], path, `${at}.`);
  if (!isName(helper.name)) throw wrong(path, `${at}.name`, "the name of a function", helper.name);
  if (typeof helper.module !== "string" || helper.module === "")
    throw wrong(path, `${at}.module`, "what an import names", helper.module);
  return { name: helper.name as string, module: helper.module };
}

function objectAt(value: unknown, path: string, key: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw wrong(path, key, "an object", value);
}

function refuseUnknownKeys(value: object, known: readonly string[], path: string, prefix: string): void {
  const strange = Object.keys(value).find((key) => !known.includes(key));
  if (strange !== undefined)
    throw new UsageError(`${path}: there is no key \`${prefix}${strange}\`; known are ${known.join(", ")}`);
}

function wrong(path: string, key: string, expected: string, given?: unknown): UsageError {
  const instead = given === undefined ? "" : `, not ${JSON.stringify(given)}`;
  return new UsageError(`${path}: \`${key}\` must be ${expected}${instead}`);
}
