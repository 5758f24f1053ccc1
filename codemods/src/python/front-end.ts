import type { LanguageFrontEnd } from "../front-end.ts";
import { editPythonImports } from "./edit-imports.ts";
import { pythonImportTargets } from "./import-targets.ts";
import { lowerPython } from "./lower.ts";
import { writeAssignment, writeCall, writeComment, writeFunction } from "./write.ts";

export const pythonFrontEnd: LanguageFrontEnd = {
  languages: ["python"],
  lower: lowerPython,
  importTargets: pythonImportTargets,
  editImports: editPythonImports,
  writeCall,
  writeAssignment,
  writeComment,
  writeFunction,
};
