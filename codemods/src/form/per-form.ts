import type { ClassForm, FileForm, FunctionForm } from "./form.ts";

/** Works something out of a file once, however many of its functions ask: a file of thousands of copies takes no longer for each. */
export function perForm<T>(compute: (form: FileForm) => T): (form: FileForm) => T {
  const known = new WeakMap<FileForm, { readonly value: T }>();
  return (form) => {
    let found = known.get(form);
    if (found === undefined) {
      found = { value: compute(form) };
      known.set(form, found);
    }
    return found.value;
  };
}

/** The class that a function is a method of. */
export function ownerOf(fn: FunctionForm, form: FileForm): ClassForm | undefined {
  return owners(form).get(fn);
}

const owners = perForm(
  ({ classes }) => new Map(classes.flatMap((cls) => cls.methods.map((method) => [method, cls] as const))),
);
