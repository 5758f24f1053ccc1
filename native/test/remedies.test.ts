// What is told to who installed the packages: this checkout is another situation, so that its place is stood in for.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { type AddonFault, causeOf } from "../src/addon-file.ts";
import { isPublished, packageOf, thisPlatform } from "../src/addon-places.ts";
import { reasonForNone, remedyFor } from "../src/remedies.ts";

const place = vi.hoisted(() => ({ home: "" }));

vi.mock("../src/home.ts", async (original) => ({
  ...(await original<object>()),
  get home() {
    return place.home;
  },
  situation: () => "installed",
}));

const name = packageOf(thisPlatform());
const byNpm = "/app/node_modules/@qknorm";
const byPnpm = "/app/node_modules/.pnpm/@qknorm+native@0.1.0/node_modules/@qknorm";

function fault(cause: AddonFault["cause"], path = `${byNpm}/addon/qknorm.node`): AddonFault {
  return { path, cause, reason: "" };
}

beforeEach(() => {
  place.home = `${byNpm}/native`;
});

describe.skipIf(!isPublished(thisPlatform()))("packages that were installed without their addon", () => {
  it("are told which package to install", () => {
    expect(reasonForNone()).toBe(`${name} is not installed beside ${byNpm}/native`);
    expect(remedyFor([])).toMatch(
      new RegExp(`^\`npm install ${name}@\\d+\\.\\d+\\.\\d+\`: it is an optional dependency`),
    );
    place.home = `${byPnpm}/native`;
    expect(remedyFor([])).toMatch(new RegExp(`^\`pnpm add ${name}@\\d+\\.\\d+\\.\\d+\`: `));
  });

  it("are told how to build one where the system is older than that which is there", () => {
    expect(remedyFor([fault("system")])).toMatch(
      /^build it, with a C\+\+20 compiler and CMake: `npm install .* -d \/app\/node_modules\/@qknorm\/native --out /,
    );
    place.home = "/my app/node_modules/@qknorm/native";
    expect(remedyFor([fault("system")])).toContain(' -d "/my app/node_modules/@qknorm/native" --out ');
  });

  it("are told to install a damaged one again, by what npm and pnpm do with a folder that is there", () => {
    expect(remedyFor([fault("damaged")])).toMatch(
      new RegExp(`^\`rm -r ${byNpm}/addon && npm install ${name}@\\d+\\.\\d+\\.\\d+\` installs it again$`),
    );
    expect(remedyFor([fault("damaged", `${byPnpm}/addon/qknorm.node`)])).toBe(
      "`pnpm install --force` installs it again",
    );
    const built = `${byNpm}/native/build/Release/qknorm.node`;
    expect(remedyFor([fault("damaged", built)])).toBe(`remove ${built}, and build it again`);
  });

  it("are told to install the version that they speak to", () => {
    expect(remedyFor([fault("other-version")])).toMatch(
      new RegExp(`^\`npm install ${name}@\\d+\\.\\d+\\.\\d+\`: what is installed is of another version$`),
    );
  });

  it("are told what to allow where Deno may not open it, whatever else was found", () => {
    expect(remedyFor([fault("damaged"), fault("not-allowed")])).toBe(
      "give Deno --allow-read, --allow-env and --allow-ffi",
    );
  });

  it("are told to let Node load addons where it may not, and to install nothing", () => {
    expect(remedyFor([fault("addons-off")])).toBe(
      "let Node load addons: without --no-addons, and with --allow-addons beside --permission",
    );
  });
});

describe("what the system's loader says", () => {
  it.each([
    ["/lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by a.node)", "system"],
    ["libstdc++.so.6: cannot open shared object file: No such file or directory", "system"],
    ["Error loading shared library ld-linux-x86-64.so.2: No such file or directory", "system"],
    ["Error relocating a.node: __memcpy_chk: symbol not found", "system"],
    ["a.node: cannot open shared object file: No such file or directory", "damaged"],
    ["a.node: invalid ELF header", "damaged"],
    ["a.node: undefined symbol: x, version CXXABI_1.3", "damaged"],
    ["Module did not self-register: 'a.node'.", "damaged"],
    ["Cannot load native addon because loading addons is disabled.", "addons-off"],
    ["Requires ffi access to a.node, run again with the --allow-ffi flag", "not-allowed"],
  ])("%s: %s", (message, cause) => {
    expect(causeOf(message)).toBe(cause);
  });
});
