import { spawnSync } from "node:child_process";

/** What builds the addon: the versions found, in one line, and the names of what is missing. */
export function buildTools() {
  const compiler = [process.env.CXX, "c++", "g++", "clang++"].filter(Boolean).map(versionOf).find(Boolean);
  const cmake = versionOf("cmake");
  const missing = [];
  // On Windows the compiler is Visual Studio's, which CMake finds by itself.
  if (process.platform !== "win32" && compiler === undefined) missing.push("C++ compiler");
  if (cmake === null) missing.push("CMake");
  return { versions: `${compiler} ${cmake}`, missing };
}

function versionOf(command) {
  const { status, stdout } = spawnSync(command, ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.split("\n")[0] : null;
}
