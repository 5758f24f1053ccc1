/** The look of the page: light or dark as the reader's system is, one column, code that scrolls by itself. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --text: #1f2328; --soft: #59636e; --line: #d1d9e0; --panel: #f6f8fa; --link: #0a58ca;
  --added: #e6ffec; --added-word: #abf2bc; --removed: #ffebe9; --removed-word: #ffc1ba; --kept: #fff8c5;
  --replace: #1a7f37; --keep: #9a6700; --error: #cf222e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --text: #e6edf3; --soft: #9198a1; --line: #3d444d; --panel: #151b23; --link: #6cb0ff;
    --added: #12291c; --added-word: #1f6b35; --removed: #301a1f; --removed-word: #8c2f2b; --kept: #2e2a10;
    --replace: #4ac26b; --keep: #d4a72c; --error: #ff7b72;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem 1rem 4rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; }
h2 { margin: 0 0 .5rem; font-size: 1.2rem; overflow-wrap: anywhere; }
h3 { margin: 0; font-size: 1.05rem; overflow-wrap: anywhere; }
section { margin: 1.5rem 0; }
section[hidden], details[hidden] { display: none; }
details.group { margin: 0 0 .6rem; }
details.group[open] { margin-bottom: 1.25rem; }
summary { padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--panel); cursor: pointer;
  overflow-wrap: anywhere; }
details.group > p { margin: .5rem .25rem .75rem; }
.reasons { margin: 1rem 0 0; min-width: 0; font-size: .95rem; }
.reasons th { padding: .15rem .5rem; text-align: left; font-weight: 600; border-bottom: 1px solid var(--line); }
.reasons td { padding: .15rem .5rem; white-space: normal; overflow-wrap: anywhere; }
.reasons td:first-child { white-space: nowrap; }
.reasons .n { text-align: right; color: var(--text); font-size: inherit; }
p { margin: .35rem 0; overflow-wrap: anywhere; }
code, .code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .85em; }
.soft { color: var(--soft); }
form { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center;
  margin: 1rem 0; padding: .6rem 0; background: var(--page); border-bottom: 1px solid var(--line); }
form[hidden] { display: none; }
fieldset { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 0; padding: 0; border: 0; }
label { display: inline-flex; gap: .4rem; align-items: center; }
input, select { font: inherit; max-width: 100%; }
input[type=search] { width: 14rem; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
article { margin: 0 0 1.25rem; padding: .9rem 1rem; border: 1px solid var(--line); border-radius: .5rem; scroll-margin-top: 5rem; }
article[hidden] { display: none; }
.kind { display: inline-block; margin-right: .5rem; padding: 0 .5rem; border: 1px solid currentColor; border-radius: 1rem;
  font-size: .8rem; font-weight: 600; }
.replace .kind { color: var(--replace); }
.keep .kind { color: var(--keep); }
.code { overflow-x: auto; margin-top: .6rem; border: 1px solid var(--line); border-radius: .35rem; background: var(--panel);
  line-height: 1.45; }
table { border-collapse: collapse; min-width: 100%; }
td { padding: 0 .5rem; white-space: pre; tab-size: 4; vertical-align: top; }
.n { text-align: right; color: var(--soft); user-select: none; min-width: 2.5rem; }
.m { padding: 0 0 0 .25rem; user-select: none; }
.c { width: 100%; }
.added { background: var(--added); } .removed { background: var(--removed); } .kept { background: var(--kept); }
.gap .c { color: var(--soft); }
ins, del { text-decoration: none; border-radius: .2rem; }
ins { background: var(--added-word); } del { background: var(--removed-word); }
.error { color: var(--error); }
@media (max-width: 40rem) {
  body { padding: 1rem .75rem 3rem; }
  form { position: static; }
  input[type=search] { width: 100%; } .search { width: 100%; }
  article { padding: .75rem; }
  .code .n { min-width: 0; padding: 0 .3rem; font-size: .8em; }
  .code { font-size: .75em; }
  .c { white-space: pre-wrap; overflow-wrap: anywhere; }
}
@media print { form { display: none; } .code { overflow: visible; } td { white-space: pre-wrap; } }
`;
