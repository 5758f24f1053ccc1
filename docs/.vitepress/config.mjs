import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitepress";
import { repositoryLinks } from "./links.mjs";
import { excluded, placeOf, sidebar } from "./pages.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { repository } = JSON.parse(readFileSync(`${root}/packages/core/package.json`, "utf8"));
const published = repository.url.replace(/^git\+|\.git$/g, "");

export default defineConfig({
  title: "qknorm",
  description: "QK normalisation for people who write models in TypeScript",
  lang: "en",
  srcDir: "..",
  srcExclude: excluded,
  rewrites: placeOf,
  ignoreDeadLinks: [/^\/api\//], // written by typedoc, after this; `npm run docs` checks them
  markdown: { config: repositoryLinks({ root, repository: published }) },
  head: [["link", { rel: "icon", href: "data:," }]],
  // Pages above docs look for Vue there, where nothing is installed for the site.
  vite: { resolve: { alias: { vue: `${root}/docs/node_modules/vue` } } },
  themeConfig: {
    nav: [
      { text: "Start", link: "/start" },
      { text: "Benchmarks", link: "/benchmarks" },
      { text: "API", link: "/api/index.html", target: "_self" },
    ],
    sidebar,
    outline: [2, 3],
    search: { provider: "local" },
    socialLinks: [{ icon: "github", link: published }],
  },
});
