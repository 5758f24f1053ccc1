import type { LanguageFrontEnd } from "./front-end.ts";
import { pythonFrontEnd } from "./python/front-end.ts";
import type { Language } from "./source-files.ts";
import { scriptFrontEnd } from "./typescript/front-end.ts";

export const frontEnds: readonly LanguageFrontEnd[] = [scriptFrontEnd, pythonFrontEnd];

export function frontEndFor(language: Language): LanguageFrontEnd {
  return frontEnds.find(({ languages }) => languages.includes(language))!;
}
