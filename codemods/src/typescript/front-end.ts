import type { LanguageFrontEnd } from "../front-end.ts";
import { editScriptImports } from "./edit-imports.ts";
import { scriptImportTargets } from "./import-targets.ts";
import { lowerScript } from "./lower.ts";
import { writeAssignment, writeCall, writeComment, writeFunction } from "./write.ts";

export const scriptFrontEnd: LanguageFrontEnd = {
  languages: ["typescript", "javascript"],
  lower: lowerScript,
  importTargets: scriptImportTargets,
  editImports: editScriptImports,
  writeCall,
  writeAssignment,
  writeComment,
  writeFunction,
};
