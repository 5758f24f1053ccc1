import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Jit, type KernelRequest } from "../src/index.ts";
import { folder, missing, notes, scripted } from "./cuda-fake.ts";

const disk = vi.hoisted(() => ({ full: false }));

// A disk that is full takes the first bytes of a file.
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const writeFileSync: typeof fs.writeFileSync = (path, data, options) => {
    if (!disk.full || !String(path).includes(".cubin")) return fs.writeFileSync(path, data, options);
    fs.writeFileSync(path, (data as Buffer).subarray(0, 10), options);
    throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  };
  return { ...fs, writeFileSync };
});

const cache = join(folder, "full");
const request = (name: string): KernelRequest => ({ name, source: name, macros: {}, arch: "sm_90" });

beforeEach(() => {
  scripted();
  notes();
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(cache, { mode: 0o700 });
  disk.full = false;
});

describe.skipIf(missing !== "")(`a full disk${missing}`, () => {
  it("costs the cache, with one warning, and no kernel; nothing half-written is left", () => {
    disk.full = true;
    const log: string[] = [];
    const jit = new Jit({ folder: cache, seeds: [], log: (message) => log.push(message) });
    const [one, other] = [request("one"), request("other")];
    for (const kernel of [one, other, one]) expect(jit.compile(kernel).origin).toBe("compiled");
    expect(notes().filter((note) => note.startsWith("compile"))).toHaveLength(2);
    expect(log).toEqual([
      `compiled kernels are kept in memory only: ${cache} cannot be used: ENOSPC: no space left on device, write`,
    ]);
    expect(jit.state().fault).toMatch(/^ENOSPC/);
    expect(readdirSync(cache)).toEqual([]);
  });

  it("does not keep what is stored already from being found", () => {
    new Jit({ folder: cache, seeds: [] }).compile(request("one"));
    disk.full = true;
    const log: string[] = [];
    const jit = new Jit({ folder: cache, seeds: [], log: (message) => log.push(message) });
    expect(jit.compile(request("other")).origin).toBe("compiled");
    expect(jit.compile(request("one")).origin).toBe("disk");
    expect(log).toHaveLength(1);
  });
});
