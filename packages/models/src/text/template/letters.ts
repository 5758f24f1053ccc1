/** The characters of a text: Python counts code points, JavaScript UTF-16 units. */
export function lettersOf(text: string): string | readonly string[] {
  return /[\ud800-\udbff]/.test(text) ? [...text] : text;
}
