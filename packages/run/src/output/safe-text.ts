// Everything that may move the cursor, ring, or change what was written before; line ends and tabs are text.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is about
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A text with its control characters made visible (U+2400 and on, or the code point), for a terminal. */
export function visible(text: string): string {
  return text.replaceAll("\r\n", "\n").replaceAll(CONTROL, (char) => {
    const code = char.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
  });
}

/** `visible` for a terminal; a file or pipe gets the text as it is. */
export function textFor(stream: NodeJS.WriteStream, text: string): string {
  return stream.isTTY ? visible(text) : text;
}
