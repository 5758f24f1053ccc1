import { dirname, resolve } from "node:path";
import type { FileSystemHost, Project, ts } from "ts-morph";
import { type BrandedScript, brandClasses } from "./branded-classes.ts";
import { compiler, TypedProject } from "./compiler.ts";

/** One file in a program, with brands: see `BrandedScript`. */
export interface TypedFile {
  readonly file: ts.SourceFile;
  readonly program: ts.Program;
  readonly script: BrandedScript;
  /** Whether a config says which files belong together, so that the program has them all. */
  readonly isWhole: boolean;
}

interface Config {
  readonly options: ts.CompilerOptions;
  readonly fileNames: readonly string[];
}

/** Programs, one for each tsconfig, made when one of its files is first asked for. What is wrong with a config or a file is passed over. */
export class TypedFiles {
  readonly #projects = new Map<string, { project: Project; isWhole: boolean }>();
  readonly #configs = new Map<string, readonly Config[]>();
  /** Several questions are asked of a file before the next. */
  #last: { readonly path: string; readonly text: string; readonly typed: TypedFile } | undefined;

  /** The file as `text` has it. Throws where TypeScript does. */
  at(path: string, text: string): TypedFile {
    if (this.#last?.path !== path || this.#last.text !== text)
      this.#last = { path, text, typed: this.#typed(path, text) };
    return this.#last.typed;
  }

  #typed(path: string, text: string): TypedFile {
    const absolute = resolve(path);
    const { project, isWhole } = this.#projectOf(absolute);
    const script = brandClasses(absolute, text);
    if (project.getSourceFile(absolute)?.getFullText() !== script.text)
      project.createSourceFile(absolute, script.text, { overwrite: true });
    const program = project.getProgram().compilerObject;
    return { file: project.getSourceFileOrThrow(absolute).compilerNode, program, script, isWhole };
  }

  #projectOf(path: string): { project: Project; isWhole: boolean } {
    const folder = dirname(path);
    const configPath =
      compiler.findConfigFile(folder, compiler.sys.fileExists) ??
      compiler.findConfigFile(folder, compiler.sys.fileExists, "jsconfig.json") ??
      "";
    const configs = this.#configsAt(configPath);
    const index = Math.max(
      0,
      configs.findIndex(({ fileNames }) => fileNames.includes(path.replaceAll("\\", "/"))),
    );
    const key = `${index}\0${configPath}`;
    let known = this.#projects.get(key);
    if (known === undefined) {
      const config = configs[index];
      known = { project: projectFor(config), isWhole: config !== undefined };
      this.#projects.set(key, known);
    }
    return known;
  }

  #configsAt(path: string): readonly Config[] {
    let known = this.#configs.get(path);
    if (known === undefined) {
      known = path === "" ? [] : readConfig(path, 0);
      this.#configs.set(path, known);
    }
    return known;
  }
}

/** The config, and those that it only refers to. */
function readConfig(path: string, depth: number): readonly Config[] {
  const { config, error } = compiler.readConfigFile(path, compiler.sys.readFile);
  if (error !== undefined || depth > 2) return [];
  const {
    options,
    fileNames,
    projectReferences = [],
  } = compiler.parseJsonConfigFileContent(config, compiler.sys, dirname(path));
  const referred = projectReferences.flatMap((one) =>
    readConfig(compiler.resolveProjectReferencePath(one), depth + 1),
  );
  return [{ options, fileNames }, ...referred];
}

const defaults = {
  target: compiler.ScriptTarget.ESNext,
  module: compiler.ModuleKind.ESNext,
  moduleResolution: compiler.ModuleResolutionKind.Bundler,
  allowImportingTsExtensions: true,
} as const;

/**
 * What fields are given says their type where nobody wrote it, which TypeScript works out under `noImplicitAny` only; and only what
 * it checks can tell it that two classes were mixed up.
 */
const needed = {
  allowJs: true,
  checkJs: true,
  noEmit: true,
  noImplicitAny: true,
  strictNullChecks: true,
} as const;

function projectFor(config: Config | undefined): Project {
  const compilerOptions = { ...defaults, ...config?.options, ...needed };
  const fileSystem = brandingFileSystem(new TypedProject({ skipLoadingLibFiles: true }).getFileSystem());
  const project = new TypedProject({ compilerOptions, fileSystem, skipFileDependencyResolution: true });
  for (const path of config?.fileNames ?? []) project.addSourceFileAtPathIfExists(path);
  return project;
}

function brandingFileSystem(disk: FileSystemHost): FileSystemHost {
  const readFileSync: FileSystemHost["readFileSync"] = (path, encoding) => {
    const text = disk.readFileSync(path, encoding);
    return isSource(path) ? brandClasses(path, text.replace(/^\uFEFF/, "")).text : text;
  };
  return new Proxy(disk, {
    get(target, name) {
      if (name === "readFileSync") return readFileSync;
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/** Declarations are taken as they are, and so is what was installed. */
export function isSource(path: string): boolean {
  return /(?<!\.d)\.[cm]?[jt]sx?$/.test(path) && !/[\\/]node_modules[\\/]/.test(path);
}
