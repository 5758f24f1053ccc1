import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** A path that was passed over, and why. */
export interface TriedPath {
  readonly path: string;
  readonly reason: string;
}

/** A library to try; or, with `reason`, a place that holds none. */
export interface LibraryCandidate {
  readonly path: string;
  /** Take it only if the process has it already. */
  readonly loadedOnly?: boolean;
  /** Libraries that it asks for by name and that the system would not find: opened before it. */
  readonly first?: readonly string[];
  readonly reason?: string;
}

/** Where the search looks; tests put their own in. */
export interface SearchPlace {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
  /** Names in a folder; none for one that cannot be read. */
  list(folder: string): readonly string[];
}

export const thisMachine: SearchPlace = {
  env: process.env,
  platform: process.platform,
  list(folder) {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  },
};

const elsewhere: LibraryCandidate = { path: "CUDA", reason: "this package runs it on Linux only" };

/** libcuda: `QKNORM_LIBCUDA` alone; else already loaded, by its name, the folders that drivers are installed to. */
export function driverCandidates(place: SearchPlace = thisMachine): LibraryCandidate[] {
  if (place.platform !== "linux") return [elsewhere];
  const chosen = place.env.QKNORM_LIBCUDA;
  if (chosen) return [{ path: chosen }];
  const name = "libcuda.so.1";
  const folders = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib/wsl/lib",
    "/usr/local/nvidia/lib64",
    "/usr/lib64-nvidia",
    "/run/opengl-driver/lib",
    "/usr/local/cuda/compat",
  ];
  return [
    { path: name, loadedOnly: true },
    { path: name },
    ...folders.flatMap((folder) => inFolders(place, folder, [name])),
  ];
}

const nvrtcNames = ["libnvrtc.so.13", "libnvrtc.so.12"];
const cublasLtNames = ["libcublasLt.so.13", "libcublasLt.so.12"];

/**
 * libnvrtc: `QKNORM_LIBNVRTC` alone; else already loaded, Python's site-packages, conda, by its name, `CUDA_HOME`, the
 * folders that toolkits are installed to. CUDA 13 before 12 in each place.
 */
export function nvrtcCandidates(place: SearchPlace = thisMachine): LibraryCandidate[] {
  if (place.platform !== "linux") return [elsewhere];
  const chosen = place.env.QKNORM_LIBNVRTC;
  return chosen ? [withBuiltins(place, chosen)] : toolkitCandidates(place, nvrtcNames);
}

/** libcublasLt: `QKNORM_LIBCUBLASLT` alone, `off` for none; else as NVRTC. */
export function cublasLtCandidates(place: SearchPlace = thisMachine): LibraryCandidate[] {
  if (place.platform !== "linux") return [elsewhere];
  const chosen = place.env.QKNORM_LIBCUBLASLT;
  if (chosen === "off") return [{ path: "cuBLASLt", reason: "QKNORM_LIBCUBLASLT=off" }];
  return chosen ? [{ path: chosen }] : toolkitCandidates(place, cublasLtNames);
}

/** A library of the CUDA toolkit, by its names, in the order of `nvrtcCandidates`. */
function toolkitCandidates(place: SearchPlace, names: readonly string[]): LibraryCandidate[] {
  const { env } = place;
  const folders = [
    ...pythonPrefixes(place).flatMap((prefix) => [
      `${prefix}/lib/python3*/site-packages/nvidia/*/lib`,
      `${prefix}/lib/python3*/dist-packages/nvidia/*/lib`,
    ]),
    ...(env.CONDA_PREFIX ? [`${env.CONDA_PREFIX}/lib`] : []),
  ];
  const toolkits = [
    ...[env.CUDA_HOME, env.CUDA_PATH].flatMap((home) =>
      home ? [`${home}/lib64`, `${home}/lib`, `${home}/targets/x86_64-linux/lib`] : [],
    ),
    "/usr/local/cuda/lib64",
    "/usr/local/cuda-13*/lib64",
    "/usr/local/cuda-12*/lib64",
    "/opt/cuda/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
  ];
  const inAll = (patterns: string[]) =>
    [...new Set(patterns)].flatMap((pattern) => inFolders(place, pattern, names));
  return [
    ...names.map((path) => ({ path, loadedOnly: true })),
    ...inAll(folders),
    ...names.map((path) => ({ path })),
    ...inAll(toolkits),
  ];
}

/** The prefixes of the Pythons that this process would start, and of the system's and the user's packages. */
function pythonPrefixes({ env, list }: SearchPlace): string[] {
  const onPath = (env.PATH ?? "")
    .split(":")
    .filter((folder) => folder !== "" && list(folder).includes("python3"))
    // pyenv's commands are scripts in a folder beside those of its versions.
    .map((folder) => (basename(folder) === "shims" ? `${dirname(folder)}/versions/*` : dirname(folder)))
    .filter((prefix) => prefix !== "/"); // its /bin is a link to /usr/bin
  const home = env.HOME ? [join(env.HOME, ".local")] : [];
  const all = [env.VIRTUAL_ENV, env.CONDA_PREFIX, ...onPath, ...home, "/usr/local", "/usr"];
  return [...new Set(all.filter((prefix) => prefix !== undefined && prefix !== ""))] as string[];
}

/** The files of these names in the folders that match; or, once, that there are none. */
function inFolders(place: SearchPlace, pattern: string, names: readonly string[]): LibraryCandidate[] {
  const found = expand(place, pattern).flatMap((folder) => {
    const there = place.list(folder);
    return names
      .filter((name) => there.includes(name))
      .map((name) => withBuiltins(place, join(folder, name)));
  });
  return found.length > 0 ? found : [{ path: pattern, reason: `no ${names.join(" or ")} there` }];
}

/** NVRTC opens its builtins by name alone, which fails in a folder that the system does not search. */
function withBuiltins(place: SearchPlace, path: string): LibraryCandidate {
  const major = /libnvrtc\.so\.(\d+)/.exec(path)?.[1];
  if (major === undefined || !path.includes("/")) return { path };
  const folder = dirname(path);
  const builtins = place
    .list(folder)
    .filter((name) => name.startsWith(`libnvrtc-builtins.so.${major}`))
    .sort();
  return { path, first: builtins.map((name) => join(folder, name)) };
}

/** Folders that match; `*` stands for any part of a name. */
function expand(place: SearchPlace, pattern: string): string[] {
  if (!pattern.includes("*")) return [pattern];
  let found = [pattern.startsWith("/") ? "/" : "."];
  for (const part of pattern.split("/").filter((name) => name !== "")) {
    const matcher = new RegExp(`^${part.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`);
    found = part.includes("*")
      ? found.flatMap((folder) =>
          [...place.list(folder)]
            .filter((name) => matcher.test(name))
            .sort(byVersion)
            .map((name) => join(folder, name)),
        )
      : found.map((folder) => join(folder, part));
  }
  return found;
}

/** Newest first: python3.12 before python3.9, cu13 before cu12. */
function byVersion(a: string, b: string): number {
  return b.localeCompare(a, "en", { numeric: true });
}
