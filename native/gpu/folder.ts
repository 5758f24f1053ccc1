import { fileURLToPath } from "node:url";

/** The portable folder; in the workspace, the root of the tree that it mirrors. */
export const folder = fileURLToPath(new URL("../../", import.meta.url));
