import type { Language } from "../files/source-files.ts";
import type { LanguageFrontEnd } from "./front-end.ts";

// A front end brings a parser with it, which takes longer to load than a thousand files take to be passed over.
const loaders: Readonly<Record<Language, () => Promise<LanguageFrontEnd>>> = {
  typescript: script,
  javascript: script,
  python: async () => (await import("./python/front-end.ts")).pythonFrontEnd,
};

async function script(): Promise<LanguageFrontEnd> {
  return (await import("./typescript/front-end.ts")).scriptFrontEnd;
}

/** Loads it when it is first asked for. */
export function frontEndFor(language: Language): Promise<LanguageFrontEnd> {
  return loaders[language]();
}

export function allFrontEnds(): Promise<readonly LanguageFrontEnd[]> {
  return Promise.all([loaders.typescript(), loaders.python()]);
}
