import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Jit } from "../src/index.ts";
import { missing, scripted } from "./cuda-fake.ts";

// What the system says of a user that has no entry, and no HOME, as containers run them.
vi.mock("node:os", async (original) => ({
  ...(await original<typeof import("node:os")>()),
  homedir: () => {
    throw Object.assign(new Error("uv_os_homedir returned ENOENT"), { code: "ERR_SYSTEM_ERROR" });
  },
}));

const request = { name: "one", source: "one", macros: {}, arch: "sm_90" };

describe.skipIf(missing !== "")(`a user without a home folder${missing}`, () => {
  beforeEach(() => {
    scripted();
    for (const name of ["QKNORM_CACHE", "XDG_CACHE_HOME"]) vi.stubEnv(name, undefined);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it("gets kernels that are kept in memory only, and is told once why and what helps", () => {
    const log: string[] = [];
    const jit = new Jit({ seeds: [], log: (message) => log.push(message) });
    expect(jit.compile(request).origin).toBe("compiled");
    expect(jit.compile({ ...request }).origin).toBe("compiled");
    const reason = "this user has no home folder; QKNORM_CACHE names another";
    expect(log).toEqual([`compiled kernels are kept in memory only: ${reason}`]);
    expect(jit.state()).toMatchObject({ folder: null, fault: reason });
  });

  it("is told nothing where a folder is named, or the disk is not wanted", () => {
    for (const named of ["off", "/nowhere/at/all"]) {
      vi.stubEnv("QKNORM_CACHE", named);
      const log: string[] = [];
      new Jit({ seeds: [], log: (message) => log.push(message) });
      expect(log).toEqual([]);
    }
  });
});
