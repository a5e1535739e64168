// What QuickJS lacks, or would have the same in every job: the state of a plugin
// is that of its build, and so is the seed of Math.random.
import * as host from 'jobhost:plugin/context@0.1.0'
import type { Level } from 'jobhost:plugin/context@0.1.0'
import { getRandomBytes } from 'wasi:random/random@0.2.0'

/** Its lines are the job's log. */
interface Console {
  log(...data: unknown[]): void
  trace(...data: unknown[]): void
  debug(...data: unknown[]): void
  info(...data: unknown[]): void
  warn(...data: unknown[]): void
  error(...data: unknown[]): void
}

/** Random data from the host. */
interface Crypto {
  getRandomValues<T extends ArrayBufferView>(array: T): T
  randomUUID(): string
}

declare global {
  var console: Console
  var crypto: Crypto
}

/** As Web APIs have it. */
const MOST_RANDOM_BYTES = 65536

function line(level: Level): (...data: unknown[]) => void {
  return (...data) => host.log(level, data.map(text).join(' ').toWellFormed())
}

function text(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Error) return value.stack ? `${value}\n${value.stack}` : String(value)
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

function random(): number {
  const [high = 0, low = 0] = new Uint32Array(Uint8Array.from(getRandomBytes(8)).buffer)
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53
}

function getRandomValues<T extends ArrayBufferView>(array: T): T {
  if (array.byteLength > MOST_RANDOM_BYTES) {
    throw new RangeError(`${array.byteLength} random bytes are too many; at most ${MOST_RANDOM_BYTES} at once`)
  }
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(getRandomBytes(array.byteLength))
  return array
}

function randomUUID(): string {
  const bytes = Uint8Array.from(getRandomBytes(16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

globalThis.console = {
  log: line('info'),
  trace: line('trace'),
  debug: line('debug'),
  info: line('info'),
  warn: line('warn'),
  error: line('error'),
}
globalThis.crypto = { getRandomValues, randomUUID }
Math.random = random
