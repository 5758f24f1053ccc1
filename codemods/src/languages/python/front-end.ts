import type { LanguageFrontEnd } from "../front-end.ts";
import { pythonCode } from "./code-of.ts";
import { editPythonImports } from "./edit-imports.ts";
import { pythonImportPath } from "./import-path.ts";
import { pythonImportTargets } from "./import-targets.ts";
import { lowerPython } from "./lower.ts";
import { pythonUses } from "./name-uses.ts";
import { glanceAtPython } from "./sketch.ts";
import { parseErrors, parsePython } from "./syntax.ts";
import { writeAssignment, writeCall, writeComment, writeFunction, writeVariable } from "./write.ts";
import { writeHelper } from "./write-helper.ts";

export const pythonFrontEnd: LanguageFrontEnd = {
  languages: ["python"],
  bytesPerCharacter: 25,
  lower: (source) => lowerPython(source),
  glance: glanceAtPython,
  syntaxErrors: ({ text }) => parseErrors(parsePython(text)),
  importTargets: pythonImportTargets,
  importPath: pythonImportPath,
  editImports: editPythonImports,
  writeCall,
  writeAssignment,
  writeComment,
  writeFunction,
  writeVariable,
  writeHelper,
  codeOf: pythonCode,
  usesOf: pythonUses,
};
