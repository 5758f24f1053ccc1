import { dirname, join, posix } from "node:path";
import { packageTargets } from "./package-targets.ts";

const extensions = [".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs"];
/** What a written extension may stand for in the sources. */
const sourceOf: Readonly<Record<string, readonly string[]>> = {
  ".js": [".ts", ".tsx", ".js", ".jsx"],
  ".jsx": [".tsx", ".jsx"],
  ".mjs": [".mts", ".mjs"],
  ".cjs": [".cts", ".cjs"],
};

/** See `LanguageFrontEnd.importTargets`. */
export function scriptImportTargets(
  module: string,
  fromPath: string,
  exists: (path: string) => boolean,
): readonly string[] {
  if (!module.startsWith(".")) return packageTargets(module, fromPath).filter(exists);
  const target = join(dirname(fromPath), module).replaceAll("\\", "/");
  const written = posix.extname(target);
  const stem = target.slice(0, target.length - written.length);
  const candidates = [
    ...(sourceOf[written] ?? []).map((extension) => stem + extension),
    ...(extensions.includes(written) ? [target] : []),
    ...extensions.map((extension) => target + extension),
    ...extensions.map((extension) => `${target}/index${extension}`),
  ];
  return [...new Set(candidates)].filter(exists);
}
