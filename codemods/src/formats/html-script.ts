/** What the page does: filters by kind, reason, folder and words, and opens what the filter leaves; j and k go from finding to finding, / goes to the search. */
export const script = `
const form = document.querySelector("form");
const status = document.querySelector("output");
const findings = [...document.querySelectorAll("article")];
const groups = [...document.querySelectorAll("details.group")];
const isOpen = new Map(groups.map((group) => [group, group.open]));
const hideEmpty = (element) => {
  element.hidden = !element.querySelector("article:not([hidden])");
};
const update = () => {
  const kinds = new FormData(form).getAll("kind");
  const reason = form.elements.reason.value;
  const folder = form.elements.folder.value;
  const words = form.elements.words.value.trim().toLowerCase().split(/\\s+/);
  let shown = 0;
  for (const finding of findings) {
    const { kind, reason: own, path, words: text } = finding.dataset;
    const fits = kinds.includes(kind) && (reason === "" || own === reason) && path.startsWith(folder) && words.every((word) => text.includes(word));
    finding.hidden = !fits;
    if (fits) shown += 1;
  }
  const isNarrow = reason !== "" || folder !== "" || words[0] !== "";
  for (const group of groups) {
    hideEmpty(group);
    group.open = isNarrow || isOpen.get(group);
  }
  for (const section of document.querySelectorAll("section.role")) hideEmpty(section);
  status.textContent = shown + " of " + findings.length + " shown";
};
form.addEventListener("input", update);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
update();

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.target.closest("input, select");
  if (event.key === "Escape" && field) return field.blur();
  if (field && field.type !== "checkbox") return;
  if (event.key === "/") {
    event.preventDefault();
    form.elements.words.focus();
  }
  if (event.key !== "j" && event.key !== "k") return;
  const shown = findings.filter((finding) => !finding.hidden);
  const at = shown.indexOf(document.activeElement.closest("article"));
  const next = event.key === "j" ? Math.min(at + 1, shown.length - 1) : Math.max(at - 1, 0);
  if (shown[next]) {
    const group = shown[next].closest("details");
    if (group) group.open = true;
    shown[next].focus();
    shown[next].scrollIntoView();
  }
});
`;
