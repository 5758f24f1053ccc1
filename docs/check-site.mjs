// Looks at every page that was built: links within the site lead to pages and headings, the browser's console stays empty, and
// nothing scrolls sideways on a phone. SCREENSHOTS=FOLDER keeps what was seen.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const dist = join(dirname(fileURLToPath(import.meta.url)), ".vitepress", "dist");
const phone = { width: 390, height: 844 };
const desk = { width: 1280, height: 900 };

const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

const pages = readdirSync(dist, { recursive: true }).filter(
  (file) => file.endsWith(".html") && file !== "404.html",
);
const faults = [...brokenLinks(), ...(await seenByBrowser(pages.filter((page) => !page.startsWith("api"))))];
for (const fault of faults) process.stderr.write(`${fault}\n`);
process.stdout.write(`${pages.length} pages, ${faults.length} faults\n`);
process.exitCode = faults.length === 0 ? 0 : 1;

function brokenLinks() {
  return pages.flatMap((page) => {
    const links = [...readFileSync(join(dist, page), "utf8").matchAll(/\s(?:href|src)="([^"]+)"/g)];
    const own = new Set(links.map(([, link]) => link).filter((link) => !/^([a-z]+:|\/\/)/i.test(link)));
    return [...own]
      .filter((link) => !leadsSomewhere(link, page))
      .map((link) => `${page}: ${link} leads nowhere`);
  });
}

function leadsSomewhere(link, page) {
  const [path, fragment] = decodeURI(link.replaceAll("&amp;", "&")).split("#");
  const from = path.startsWith("/") ? dist : dirname(join(dist, page));
  const target = fileAt(path === "" ? join(dist, page) : join(from, path));
  if (target === null || !fragment || !target.endsWith(".html")) return target !== null;
  return readFileSync(target, "utf8").includes(`id="${decodeURIComponent(fragment)}"`);
}

/** The file that a server gives for a path: itself, with .html, or a folder's index. */
function fileAt(path) {
  const found = [path, `${path}.html`, join(path, "index.html")].find(
    (file) => existsSync(file) && statSync(file).isFile(),
  );
  return found === undefined || relative(dist, found).startsWith("..") ? null : found;
}

async function seenByBrowser(files) {
  const executablePath = process.env.CHROMIUM ?? inPath("chromium") ?? inPath("google-chrome");
  if (executablePath === null) {
    process.stdout.write("no browser here (chromium, or what CHROMIUM names): pages were not looked at\n");
    return [];
  }
  const server = createServer(serve).listen(0, "127.0.0.1");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const origin = `http://127.0.0.1:${server.address().port}`;
    const seen = [];
    for (const file of files)
      seen.push(...(await look(browser, origin, file, desk)), ...(await look(browser, origin, file, phone)));
    return seen;
  } finally {
    await browser.close();
    server.close();
  }
}

async function look(browser, origin, file, viewport) {
  const page = await browser.newPage({ viewport });
  const faults = [];
  const at = `${file}, ${viewport.width} wide`;
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`${at}: console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`${at}: ${error.message}`));
  page.on("requestfailed", (request) => faults.push(`${at}: ${request.url()} was not loaded`));
  await page.goto(`${origin}/${file}`, { waitUntil: "networkidle" });
  const wide = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  if (wide > 0) faults.push(`${at}: scrolls ${wide} pixels sideways`);
  await keep(page, `${file.replace(/\W+/g, "-")}-${viewport.width}.png`);
  await page.close();
  return faults;
}

async function keep(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  mkdirSync(resolve(folder), { recursive: true });
  await page.screenshot({ path: join(resolve(folder), name) });
}

function serve(request, response) {
  const file = fileAt(join(dist, decodeURI(new URL(request.url, "http://site").pathname)));
  if (file === null) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" });
  response.end(readFileSync(file));
}

function inPath(name) {
  const { status, stdout } = spawnSync("which", [name], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}
