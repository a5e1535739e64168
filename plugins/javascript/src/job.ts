import type { Job as HostJob, JobDraft } from 'jobhost:plugin/types@0.1.0'
import { JobError } from './errors.ts'

/** A job that has been reserved for this attempt. */
export interface Job<Payload = any> {
  /** Unique within its queue. */
  readonly id: string
  /** Unique everywhere and the same for every attempt: an idempotency key. */
  readonly key: string
  /** The queue's configured name. */
  readonly queue: string
  /** The `class` of the stored message. */
  readonly name: string
  /** What the job's pusher wrote. Nobody has checked it; whole numbers beyond 2^53 have lost their last digits. */
  readonly payload: Payload
  /** 1 for the first attempt. */
  readonly attempt: number
  /** The queue's limit; null: decided by the retry policy or a hook alone. */
  readonly maxAttempts: number | null
  /** Seconds that this attempt may take. */
  readonly ttr: number
  /** When it was pushed; null where the pusher left no time (a PHP program). */
  readonly pushedAt: Date | null
  /** Names and values kept beside the payload. */
  readonly metadata: Readonly<Record<string, string>>
}

/** A job that is not stored yet. */
export interface Draft {
  /** The queue's configured name. */
  queue: string
  /** What to run. */
  name: string
  /** What JSON makes an object of. */
  payload: object
  /** Milliseconds that it waits first. */
  delay?: number | null
  /** Seconds that an attempt may take; default: the handler's time-to-run, else the queue's. */
  ttr?: number | null
  /** At most 4 KiB. Names that begin with `jobhost.` are the host's. */
  metadata?: Record<string, string>
}

/** Throws a permanent error where the payload is not JSON. */
export function jobFromHost<Payload>(job: HostJob): Job<Payload> {
  let payload: Payload
  try {
    payload = JSON.parse(job.payload)
  } catch (error) {
    throw JobError.permanent('invalid-payload', `the payload of ${job.name}: ${error}`)
  }
  const { id, key, queue, name, attempt, ttr } = job
  const maxAttempts = job.maxAttempts ?? null
  const pushedAt = job.pushedAt == null ? null : new Date(job.pushedAt)
  const metadata = Object.fromEntries(job.metadata)
  return { id, key, queue, name, payload, attempt, maxAttempts, ttr, pushedAt, metadata }
}

/** Throws where the draft is none that the host could be asked about. */
export function draftToHost(draft: Draft): JobDraft {
  const { queue, name, payload, delay, ttr } = draft
  if (typeof queue !== 'string') throw new TypeError(`the queue of a draft must be a string, not ${shown(queue)}`)
  if (typeof name !== 'string') throw new TypeError(`the name of a draft must be a string, not ${shown(name)}`)
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    throw new TypeError(`the payload of ${name} must be a JSON object, not ${shown(payload)}`)
  }
  // A `toJSON` may make anything of it, and nothing.
  const text: string | undefined = JSON.stringify(payload)
  if (!text?.startsWith('{')) throw new TypeError(`the payload of ${name} must be a JSON object, not ${shown(text)}`)
  return {
    queue: wellFormed(queue),
    name: wellFormed(name),
    payload: text,
    delay: delay == null ? null : wholeMilliseconds(delay),
    ttr: ttr == null ? null : wholeSeconds(ttr),
    metadata: pairs(draft.metadata),
  }
}

export function draftFromHost(draft: JobDraft): Draft {
  const { queue, name, delay, ttr } = draft
  return { queue, name, payload: JSON.parse(draft.payload || '{}'), delay, ttr, metadata: Object.fromEntries(draft.metadata) }
}

/** Names and values as text. */
export function pairs(named: Record<string, unknown> | undefined): [string, string][] {
  return Object.entries(named ?? {}).map(([name, value]) => [wellFormed(name), wellFormed(value)])
}

/** Text as the host takes it, which is without halves of characters. */
export function wellFormed(value: unknown): string {
  return String(value).toWellFormed()
}

/** The beginning of a value, for people. */
export function shown(value: unknown): string {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}

/** Not less than none, and not more than a number can count. */
export function wholeMilliseconds(time: number): number {
  return Math.min(Math.max(Math.round(counted(time, 'milliseconds')), 0), Number.MAX_SAFE_INTEGER)
}

/** Rounded up, at least 1, as the host keeps it. */
export function wholeSeconds(time: number): number {
  return Math.min(Math.max(Math.ceil(counted(time, 'seconds')), 1), 0xffff_ffff)
}

/** What came of a calculation with nothing is no time, and must not pass for the shortest. */
function counted(time: unknown, unit: string): number {
  if (typeof time === 'number' && !Number.isNaN(time)) return time
  throw new TypeError(`expected a number of ${unit}, found ${shown(time)}`)
}
