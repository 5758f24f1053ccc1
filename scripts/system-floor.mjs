// Which system a binary needs: the versions of the libraries' symbols that it asks for.
import { readFileSync } from "node:fs";

/** The newest version of each library's symbols that the files ask for: `GLIBC` to `2.27`, `GLIBCXX`, `CXXABI`. */
export function symbolVersions(...files) {
  const found = new Map();
  for (const file of files) {
    const text = readFileSync(file, "latin1");
    for (const [, name, version] of text.matchAll(/\0(GLIBC|GLIBCXX|CXXABI)_(\d+(?:\.\d+)+)(?=\0)/g)) {
      if (isNewer(version, found.get(name) ?? "0")) found.set(name, version);
    }
  }
  return found;
}

/** For people: the oldest glibc and libstdc++ that the files run on. */
export function systemFloor(...files) {
  return [...symbolVersions(...files)]
    .filter(([name]) => name !== "CXXABI")
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
}

/** Whether version `a`, numbers with points between them, is newer than `b`. */
export function isNewer(a, b) {
  return a.localeCompare(b, "en", { numeric: true }) > 0;
}
