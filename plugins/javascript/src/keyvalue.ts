/// <reference path="./interfaces.d.ts" />
/**
 * Values that jobs keep in the job store, beside the queues. They are JSON.
 *
 *     import { Bucket } from 'jobhost-plugin/keyvalue'
 *
 *     const bucket = new Bucket('tasks')
 *     const names = bucket.update('names', (names: string[] = []) => [...names, 'Ada'])
 *     bucket.increment('changes', 1)
 *
 * `wit/world.wit` has to import `wasi:keyvalue/atomics@0.2.0-draft2`, and the operator to grant
 * the bucket: `keyvalue = [{ bucket = "tasks", mode = "rw" }]`.
 *
 * A change is made at once, whatever becomes of the attempt, as long as the attempt holds its
 * job: an attempt that comes after one that was lost finds what that one wrote.
 */
import * as atomics from 'wasi:keyvalue/atomics@0.2.0-draft2'
import * as host from 'wasi:keyvalue/store@0.2.0-draft2'
import { JobError } from './errors.ts'
import { shown, wellFormed } from './job.ts'
import { decode, encode } from './utf8.ts'

/**
 * The bucket that the operator has granted by this name.
 *
 * What is asked of it throws a `JobError`: permanent, `keyvalue-denied`, where it is not granted,
 * or only its reading; temporary, `keyvalue-failed`, where the store does not answer, the attempt
 * has lost its job, or a limit is reached. The host's log says what a refusal would take.
 */
export class Bucket {
  readonly #handle: host.Bucket

  constructor(readonly name: string) {
    this.#handle = this.#asked(() => host.open(wellFormed(name)))
  }

  /** The value at a key; undefined where nothing is. Throws a SyntaxError where it is no JSON. */
  get(key: string): any {
    return read(this.#asked(() => this.#handle.get(wellFormed(key))))
  }

  /** Stores a value, in the place of any that is there. */
  set(key: string, value: unknown): void {
    this.#asked(() => this.#handle.set(wellFormed(key), written(key, value)))
  }

  /** Drops a key, if it is there. */
  delete(key: string): void {
    this.#asked(() => this.#handle.delete(wellFormed(key)))
  }

  /** Whether something is at a key. */
  exists(key: string): boolean {
    return this.#asked(() => this.#handle.exists(wellFormed(key)))
  }

  /** All keys, in the order of their bytes. Each counts against the limit `bucket-keys`. */
  keys(): string[] {
    const keys: string[] = []
    let cursor: string | null = null
    do {
      const page: host.KeyResponse = this.#asked(() => this.#handle.listKeys(cursor))
      keys.push(...page.keys)
      cursor = page.cursor ?? null
    } while (cursor !== null)
    return keys
  }

  /**
   * Adds to the whole number at a key, which is 0 where nothing is, in one step. Returns the sum. An
   * attempt that is repeated adds again; where that must not be, let `update` keep who was counted. Throws
   * a RangeError where it is not added to in whole numbers up to 2^53.
   */
  increment(key: string, by: number): number {
    if (!Number.isSafeInteger(by)) throw new RangeError(`${shown(by)} cannot be added to \`${key}\`: it is no whole number`)
    return this.#asked(() => atomics.increment(this.#handle, wellFormed(key), by))
  }

  /**
   * Changes the value at a key to what `change` makes of it, in one step. Returns what is there now.
   * Where somebody else has changed it meanwhile, `change` is asked again, about the newer one. A value
   * that stays the same is not written, and neither is anything if `change` throws.
   */
  update<T>(key: string, change: (value: any) => T): T {
    let cas = this.#asked(() => atomics.Cas.new(this.#handle, wellFormed(key)))
    for (;;) {
      const before = this.#asked(() => cas.current())
      const value = change(read(before))
      const after = written(key, value)
      if (before !== null && decode(before) === decode(after)) return value
      try {
        atomics.swap(cas, after)
        return value
      } catch (error) {
        const told = (error as { payload?: atomics.CasError }).payload
        if (told?.tag !== 'cas-failed') throw told?.tag ? this.#failure(told.val) : error
        cas = told.val
      }
    }
  }

  #asked<T>(ask: () => T): T {
    try {
      return ask()
    } catch (error) {
      const told = (error as { payload?: host.Error }).payload
      throw told?.tag ? this.#failure(told) : error
    }
  }

  #failure(told: host.Error): JobError {
    if (told.tag === 'other') return JobError.temporary('keyvalue-failed', `the bucket \`${this.name}\`: ${told.val}`)
    const what = told.tag === 'no-such-store' ? 'is not granted' : 'may not be written'
    return JobError.permanent('keyvalue-denied', `the bucket \`${this.name}\` ${what}`)
  }
}

function read(value: Uint8Array | null): any {
  return value === null ? undefined : JSON.parse(decode(value))
}

function written(key: string, value: unknown): Uint8Array {
  const text: string | undefined = JSON.stringify(value)
  if (text === undefined) throw new TypeError(`the value for \`${key}\`: a ${typeof value} is no JSON`)
  return encode(text)
}
