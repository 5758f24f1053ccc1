import type { ClassForm, FileForm, Span } from "../form/form.ts";
import { perForm } from "../form/per-form.ts";
import { dottedName } from "../norms/class-members.ts";
import type { Project } from "../project/project.ts";

/** A place where a name stands in a file. */
export interface Mention {
  readonly span: Span;
  /** The innermost class around it. */
  readonly around: ClassForm | undefined;
}

/** A method whose name is looked for, by its class and that class's file. */
export interface Home {
  readonly owner: ClassForm;
  readonly form: FileForm;
}

/**
 * Where `form` says `name`. For a method, classes that neither derive from its owner nor stand above it are left out:
 * they say `self.name` of their own.
 */
export function mentionsOf(
  name: string,
  form: FileForm,
  home: Home | undefined,
  project: Project,
): readonly Mention[] {
  const byClass = grouped(form, name);
  if (home === undefined) return [...byClass.values()].flat().sort(byStart);
  const above = ancestors(home.owner, home.form, project) ?? [];
  const below = kin(form, project);
  const owner = placeOf({ cls: home.owner, form: home.form });
  const related = new Set([nowhere, owner, ...above, ...below.unknown, ...(below.derived.get(owner) ?? [])]);
  return [...related].flatMap((place) => byClass.get(place) ?? []).sort(byStart);
}

function byStart(a: Mention, b: Mention): number {
  return a.span.start - b.span.start;
}

/** A class by its file and where it begins there: a file may be read again, which makes other objects of its classes. */
type Place = string;

const nowhere: Place = "";

function placeOf({ cls, form }: { readonly cls: ClassForm; readonly form: FileForm }): Place {
  return `${cls.span.start} ${form.path}`;
}

const groups = perForm(() => new Map<string, ReadonlyMap<Place, readonly Mention[]>>());

function grouped(form: FileForm, name: string): ReadonlyMap<Place, readonly Mention[]> {
  const known = groups(form).get(name);
  if (known !== undefined) return known;
  const found = new Map<Place, Mention[]>();
  for (const mention of withClasses(form, form.mentions.get(name) ?? [])) {
    const { around } = mention;
    add(found, around === undefined ? nowhere : placeOf({ cls: around, form }), mention);
  }
  groups(form).set(name, found);
  return found;
}

function add<V>(lists: Map<Place, V[]>, place: Place, value: V): void {
  const known = lists.get(place);
  if (known === undefined) lists.set(place, [value]);
  else known.push(value);
}

/** One pass over classes and mentions in the order of the file, with the classes that are open. */
function withClasses({ classes }: FileForm, spans: readonly Span[]): readonly Mention[] {
  const coming = [...classes].sort((a, b) => a.span.start - b.span.start).values();
  const open: ClassForm[] = [];
  let next = coming.next();
  return [...spans]
    .sort((a, b) => a.start - b.start)
    .map((span) => {
      for (; !next.done && next.value.span.start <= span.start; next = coming.next()) open.push(next.value);
      while (open.length > 0 && (open.at(-1) as ClassForm).span.end < span.end) open.pop();
      return { span, around: open.at(-1) };
    });
}

/** The classes of one file: those that derive from each other class, and those of too long a line to tell. */
interface Kin {
  readonly derived: ReadonlyMap<Place, readonly Place[]>;
  readonly unknown: readonly Place[];
}

const kinOfProject = new WeakMap<Project, WeakMap<FileForm, Kin>>();

function kin(form: FileForm, project: Project): Kin {
  let ofProject = kinOfProject.get(project);
  if (ofProject === undefined) {
    ofProject = new WeakMap();
    kinOfProject.set(project, ofProject);
  }
  let found = ofProject.get(form);
  if (found === undefined) {
    found = kinOf(form, project);
    ofProject.set(form, found);
  }
  return found;
}

function kinOf(form: FileForm, project: Project): Kin {
  const derived = new Map<Place, Place[]>();
  const unknown: Place[] = [];
  for (const cls of form.classes) {
    const place = placeOf({ cls, form });
    const above = ancestors(cls, form, project);
    if (above === undefined) unknown.push(place);
    for (const one of above ?? []) add(derived, one, place);
  }
  return { derived, unknown };
}

/** Base classes whose code is in reach, nearest first. One out of reach cannot derive from a class of this repository. */
function ancestors(
  cls: ClassForm,
  form: FileForm,
  project: Project,
  depth = 0,
): readonly Place[] | undefined {
  if (depth > 8) return undefined;
  return cls.bases.flatMap((base) => {
    const found = project.resolveClass(dottedName(base) ?? "", form);
    if (found === undefined || !("declaration" in found)) return [];
    const place = placeOf({ cls: found.declaration, form: found.form });
    return [place, ...(ancestors(found.declaration, found.form, project, depth + 1) ?? [])];
  });
}
