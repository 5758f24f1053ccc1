// vitest's global set-up: the projects that the tests of the packed packages run in. QKNORM_PACKED names the tarballs.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeProject, tarballsIn } from "./project.mjs";
import { installRuntimes } from "./runtimes.mjs";

/** Makes them; returns what removes them. */
export function setup(project) {
  installRuntimes();
  const place = mkdtempSync(join(tmpdir(), "qknorm-packed-"));
  const tarballs = tarballsIn(process.env.QKNORM_PACKED);
  const packages = ["@qknorm/core", "@qknorm/tensor", "@qknorm/models"];
  const folders = {
    npm: join(place, "npm"),
    pnpm: join(place, "pnpm"),
    withoutAddon: join(place, "without-addon"),
  };
  makeProject(folders.npm, {
    installer: "npm",
    tarballs,
    packages,
    devDependencies: { "@types/node": "20.19.43" },
  });
  makeProject(folders.pnpm, { installer: "pnpm", tarballs, packages });
  makeProject(folders.withoutAddon, { installer: "npm", tarballs, packages, without: "addon" });
  project.provide("projects", { ...folders, place });
  return () => rmSync(place, { recursive: true, force: true });
}
