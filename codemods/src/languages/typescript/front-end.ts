import type { LanguageFrontEnd } from "../front-end.ts";
import { ScriptTypes } from "./checked-types.ts";
import { scriptCode } from "./code-of.ts";
import { editScriptImports } from "./edit-imports.ts";
import { scriptImportPath } from "./import-path.ts";
import { scriptImportTargets } from "./import-targets.ts";
import { lowerScript } from "./lower.ts";
import { scriptUses } from "./name-uses.ts";
import { syntaxErrors } from "./syntax.ts";
import { writeAssignment, writeCall, writeComment, writeFunction, writeVariable } from "./write.ts";
import { writeHelper } from "./write-helper.ts";

export const scriptFrontEnd: LanguageFrontEnd = {
  languages: ["typescript", "javascript"],
  bytesPerCharacter: 50,
  lower: lowerScript,
  syntaxErrors,
  importTargets: scriptImportTargets,
  importPath: scriptImportPath,
  editImports: editScriptImports,
  writeCall,
  writeAssignment,
  writeComment,
  writeFunction,
  writeVariable,
  writeHelper,
  codeOf: scriptCode,
  usesOf: scriptUses,
  checkedTypes: () => new ScriptTypes(),
};
