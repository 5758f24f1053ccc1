// npm run --silent codemod -- ARGS: the refactoring tool over any model repo.
import { setUpPackages } from "./setup.mjs";
import { runTypeScript } from "./typescript.mjs";

setUpPackages();
process.exitCode = await runTypeScript("codemods/src/cli.ts", process.argv.slice(2));
