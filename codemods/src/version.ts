import { readFile } from "node:fs/promises";

/** The version of this package. Stands at the top of the sources, since a build puts the command there too. */
export async function packageVersion(): Promise<string> {
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
