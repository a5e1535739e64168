// QuickJS has no TextEncoder and no TextDecoder.

/** Bytes, or a text as UTF-8; throws a TypeError where it is neither, which the engine would take for none or end the job. */
export function bytesOf(content: string | Uint8Array): Uint8Array {
  if (typeof content === 'string') return encode(content)
  if (content instanceof Uint8Array) return content
  throw new TypeError(`expected a string or a Uint8Array, found ${Object.prototype.toString.call(content)}`)
}

/** The text as UTF-8; half a character is replaced. */
export function encode(text: string): Uint8Array {
  const bytes: number[] = []
  for (const character of text.toWellFormed()) {
    const code = character.codePointAt(0)!
    if (code < 0x80) {
      bytes.push(code)
    } else if (code < 0x800) {
      bytes.push(0xc0 | (code >> 6), rest(code))
    } else if (code < 0x10000) {
      bytes.push(0xe0 | (code >> 12), rest(code >> 6), rest(code))
    } else {
      bytes.push(0xf0 | (code >> 18), rest(code >> 12), rest(code >> 6), rest(code))
    }
  }
  return Uint8Array.from(bytes)
}

function rest(code: number): number {
  return 0x80 | (code & 0x3f)
}

/** The text of UTF-8; what is none is replaced. */
export function decode(bytes: Uint8Array): string {
  const texts: string[] = []
  let codes: number[] = []
  for (let at = 0; at < bytes.length; ) {
    const [code, size] = characterAt(bytes, at)
    at += size
    codes.push(code)
    // A call takes only so many arguments.
    if (codes.length === 4096 || at >= bytes.length) {
      texts.push(String.fromCodePoint(...codes))
      codes = []
    }
  }
  return texts.join('')
}

const REPLACEMENT = 0xfffd

/** A character, and how many bytes it has. */
function characterAt(bytes: Uint8Array, at: number): [number, number] {
  const first = bytes[at]!
  if (first < 0x80) return [first, 1]
  const more = first >= 0xf5 ? 0 : first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : 0
  if (more === 0) return [REPLACEMENT, 1]
  let code = first & (0x3f >> more)
  for (let next = 1; next <= more; next++) {
    const byte = bytes[at + next] ?? 0
    if ((byte & 0xc0) !== 0x80) return [REPLACEMENT, next]
    code = (code << 6) | (byte & 0x3f)
  }
  const isCharacter = code >= [0, 0x80, 0x800, 0x10000][more]! && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
  return isCharacter ? [code, more + 1] : [REPLACEMENT, 1]
}
