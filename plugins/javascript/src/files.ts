/// <reference path="./interfaces.d.ts" />
/**
 * Files in the folders that the operator has granted: `fs = [{ host = "data", guest = "/data", mode = "rw" }]`.
 *
 *     import { readText, writeFile } from 'jobhost-plugin/files'
 *
 *     writeFile('/data/out.txt', readText('/data/in.txt').toUpperCase())
 *
 * Paths are those of the guest. What cannot be done throws an `Error` with the path and the code of
 * wasi:filesystem, such as `no-entry`.
 */
import { getDirectories } from 'wasi:filesystem/preopens@0.2.0'
import type { Descriptor, DescriptorFlags, DirectoryEntryStream, OpenFlags } from 'wasi:filesystem/types@0.2.0'
import { wellFormed } from './job.ts'
import { bytesOf, decode } from './utf8.ts'

/** Bytes that are read at once. */
const PART = 1 << 16

/** All bytes of a file. */
export function readFile(path: string): Uint8Array {
  return opened(path, {}, { read: true }, (file) => {
    const parts: Uint8Array[] = []
    let length = 0
    for (;;) {
      const [part, end] = file.read(PART, length)
      parts.push(part)
      length += part.length
      if (end || part.length === 0) break
    }
    const whole = new Uint8Array(length)
    let at = 0
    for (const part of parts) {
      whole.set(part, at)
      at += part.length
    }
    return whole
  })
}

/** A file as UTF-8; what is none is replaced. */
export function readText(path: string): string {
  return decode(readFile(path))
}

/**
 * Makes a file of these bytes, or of this text as UTF-8, in the place of any that is there. Throws a TypeError,
 * and makes none, for what is neither.
 */
export function writeFile(path: string, content: string | Uint8Array): void {
  const bytes = bytesOf(content)
  opened(path, { create: true, truncate: true }, { write: true }, (file) => {
    for (let at = 0; at < bytes.length; ) {
      at += file.write(bytes.subarray(at, at + PART), at)
    }
  })
}

/** The names of the files and folders in a folder, in no order. */
export function listFolder(path: string): string[] {
  return opened(path, { directory: true }, { read: true }, (folder) => {
    const names: string[] = []
    const entries: DirectoryEntryStream = folder.readDirectory()
    for (let entry = entries.readDirectoryEntry(); entry !== null; entry = entries.readDirectoryEntry()) {
      names.push(entry.name)
    }
    entries[Symbol.dispose]()
    return names
  })
}

/** Makes a folder; the one above it has to be there. */
export function makeFolder(path: string): void {
  asked(path, () => {
    const [folder, below] = granted(path)
    folder.createDirectoryAt(below)
  })
}

/** Removes a file. */
export function removeFile(path: string): void {
  asked(path, () => {
    const [folder, below] = granted(path)
    folder.unlinkFileAt(below)
  })
}

function opened<T>(path: string, how: OpenFlags, what: DescriptorFlags, use: (opened: Descriptor) => T): T {
  return asked(path, () => {
    const [folder, below] = granted(path)
    const file = folder.openAt({ symlinkFollow: true }, below, how, what)
    try {
      return use(file)
    } finally {
      file[Symbol.dispose]()
    }
  })
}

/** The granted folder that the path is in, and the path from there. */
function granted(path: string): [Descriptor, string] {
  let found: [Descriptor, string] | undefined
  let longest = -1
  for (const [folder, name] of getDirectories()) {
    const above = name.endsWith('/') ? name : `${name}/`
    if (`${path}/`.startsWith(above) && above.length > longest) {
      // What begins with a slash would be a path from the root.
      found = [folder, wellFormed(path.slice(above.length).replace(/^\/+/, '')) || '.']
      longest = above.length
    }
  }
  // As where there is no such file: a plugin sees nothing of what it was not granted.
  if (!found) throw new Error(`${path}: no-entry: no granted folder has it`)
  return found
}

function asked<T>(path: string, ask: () => T): T {
  try {
    return ask()
  } catch (error) {
    const code = (error as { payload?: unknown }).payload
    throw typeof code === 'string' ? new Error(`${path}: ${code}`) : error
  }
}
