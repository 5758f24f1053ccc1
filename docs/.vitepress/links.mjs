import { posix } from "node:path";
import { isPage, placeOf } from "./pages.mjs";

/**
 * Lets pages link as they do in the repository: to other pages by their files, which become their places here, and to
 * any other file, which is read where the repository is published.
 */
export function repositoryLinks({ root, repository }) {
  return (markdown) => {
    markdown.core.ruler.push("repository-links", ({ tokens, env }) => {
      if (env?.path === undefined) return; // a title by itself
      const from = posix.relative(root, env.path);
      for (const token of tokens.flatMap(({ children }) => children ?? [])) {
        if (token.type === "link_open") token.attrSet("href", moved(token.attrGet("href"), from, repository));
      }
    });
  };
}

function moved(href, from, repository) {
  if (href === null || /^([a-z]+:|#|\/)/.test(href)) return href;
  const [path, fragment] = href.split("#");
  const target = posix.join(posix.dirname(from), path);
  const place = isPage(target) ? `/${placeOf(target)}` : `${repository}/blob/main/${target}`;
  return fragment === undefined ? place : `${place}#${fragment}`;
}
