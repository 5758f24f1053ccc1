import { dirname, extname, relative, resolve } from "node:path";
import type { FileForm } from "../../form/form.ts";

/** What a source file is called in an import once it is compiled. */
const compiled: Readonly<Record<string, string>> = {
  ".ts": ".js",
  ".tsx": ".js",
  ".mts": ".mjs",
  ".cts": ".cjs",
  ".jsx": ".js",
};
const written = /\.[cm]?[jt]sx?$/;

/** The relative module of `target`, with an extension if the file's other imports have one. See `LanguageFrontEnd.importPath`. */
export function scriptImportPath(target: string, from: FileForm): string {
  const path = relative(dirname(resolve(from.path)), resolve(target)).replaceAll("\\", "/");
  const module = path.startsWith(".") ? path : `./${path}`;
  const own = extname(module);
  const stem = module.slice(0, module.length - own.length);
  const others = from.imports.map((one) => one.module).filter((one) => one.startsWith("."));
  const extensions = others.map((one) => written.exec(one)?.[0]);
  if (extensions.some((one) => one !== undefined && one in compiled)) return module;
  const isNamed =
    extensions.some((one) => one !== undefined) || (others.length === 0 && /\.[cm]?js$/.test(from.path));
  // Without an extension only `.ts` and `.js` are found.
  if (isNamed || !/^\.[jt]sx?$/.test(own)) return stem + (compiled[own] ?? own);
  return stem;
}
