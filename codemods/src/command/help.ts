export const help = `qknorm-codemod [paths]     find copies of the QK-norm step, replace the safe ones, explain the rest

  paths                 files or folders, the current folder if none is given

what to do (a dry run with a report and a diff if none is given)
  --write               rewrite the files; refuses in a dirty git tree; leaves a patch that undoes it
  --interactive         ask for each change (y/n/a/q), then write what was accepted
  --check               write nothing, exit with 1 if something would change
  --mark                also leave a comment TODO(qk-norm): reason where a copy is kept
  --explain FILE[:LINE] print the dataflow form and the findings of one file
  --stdin               read one source from standard input, print the result; for editors
  --stdin-filename FILE   its name: tells the language, and where its imports lead

what to print (one of them; else a report)
  --all                 the report with every copy, its change and its advice; else many of one kind are folded
  --diff                a patch that \`git apply\` takes
  --json                one JSON object (schema/report.schema.json)
  --sarif               SARIF 2.1.0 with fixes, for code scanning
  --github              annotations for GitHub Actions

what to leave in a file
  --patch FILE          the patch of --diff
  --html FILE           a page with every finding, before and after

what to look at
  --include GLOB        only these files (may be repeated; .gitignore syntax)
  --exclude GLOB        not these
  --since REV           only files that differ from a git revision
  --no-prefilter        analyse every file, not only those that name a norm of q or k

how
  --profile NAME        what the helper can do: qknorm (TypeScript), sglang (Python), or one of the configuration
  --config FILE         configuration; else the nearest qknorm-codemod.json above the first path
  --emit-helper FILE    write the helper to FILE, made from the copies, instead of importing one
  --collapse-classes    keep one of several copies of a norm class, import it in the other files
  --types               ask TypeScript for the class of a norm that names and annotations do not tell; nothing for Python
  --assume-helper       rewrite although the helper is not in the repository yet
  --allow-dirty         write although git shows changes
  --concurrency N       look at files in N threads; the result is the same
  --strict              exit with 3 if copies were refused

  --version, --help

Exit codes: 0 clean or applied, 1 would change (--check), 2 something went wrong, 3 refused copies left (--strict).
`;
