import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { builtInProfiles, type Profile } from "./profile.ts";
import { UsageError } from "./usage-error.ts";

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
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new UsageError(`${path} cannot be read as JSON: ${String((cause as Error).message)}`, { cause });
  }
  const config = objectAt(content, path, "the file");
  refuseUnknownKeys(config, ["$schema", "profile", "profiles"], path, "");
  if (config.profile !== undefined && typeof config.profile !== "string")
    throw wrong(path, "profile", "a string");
  const profiles = config.profiles === undefined ? {} : objectAt(config.profiles, path, "profiles");
  for (const [name, entry] of Object.entries(profiles)) objectAt(entry, path, `profiles.${name}`);
  return config as Config;
}

function profileOf(name: string, entry: Record<string, unknown>, path: string): Profile {
  const at = `profiles.${name}`;
  const keys = ["extends", "helper", "norms", "requiredAttributes", "takesAltStream", "helperInRepository"];
  refuseUnknownKeys(entry, keys, path, `${at}.`);
  const base = builtInProfiles.find((one) => one.name === entry.extends);
  if (base === undefined)
    throw wrong(path, `${at}.extends`, `one of ${builtInProfiles.map((one) => one.name).join(", ")}`);
  const helper = entry.helper === undefined ? base.helper : objectAt(entry.helper, path, `${at}.helper`);
  for (const key of ["name", "module"] as const) {
    if (typeof helper[key] !== "string") throw wrong(path, `${at}.helper.${key}`, "a string");
  }
  for (const key of ["norms", "requiredAttributes"]) {
    const list = entry[key];
    if (list !== undefined && !(Array.isArray(list) && list.every((one) => typeof one === "string"))) {
      throw wrong(path, `${at}.${key}`, "a list of strings");
    }
  }
  const strange = ((entry.norms ?? []) as string[]).find((kind) => !normKinds.includes(kind));
  if (strange !== undefined)
    throw wrong(path, `${at}.norms`, `made of ${normKinds.join(", ")}, not ${strange}`);
  for (const key of ["takesAltStream", "helperInRepository"]) {
    if (entry[key] !== undefined && typeof entry[key] !== "boolean")
      throw wrong(path, `${at}.${key}`, "true or false");
  }
  const { extends: _, ...own } = entry;
  return Object.freeze({ ...base, ...own, name, helper: helper as Profile["helper"] }) as Profile;
}

function objectAt(value: unknown, path: string, key: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw wrong(path, key, "an object");
}

function refuseUnknownKeys(value: object, known: readonly string[], path: string, prefix: string): void {
  const strange = Object.keys(value).find((key) => !known.includes(key));
  if (strange !== undefined)
    throw new UsageError(`${path}: there is no key \`${prefix}${strange}\`; known are ${known.join(", ")}`);
}

function wrong(path: string, key: string, expected: string): UsageError {
  return new UsageError(`${path}: \`${key}\` must be ${expected}`);
}
