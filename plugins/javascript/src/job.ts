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
  /** What the job's pusher wrote. Nobody has checked it. */
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

export function draftToHost(draft: Draft): JobDraft {
  return {
    queue: draft.queue,
    name: draft.name,
    payload: JSON.stringify(draft.payload),
    delay: draft.delay == null ? null : wholeMilliseconds(draft.delay),
    ttr: draft.ttr == null ? null : wholeSeconds(draft.ttr),
    metadata: Object.entries(draft.metadata ?? {}),
  }
}

export function draftFromHost(draft: JobDraft): Draft {
  const { queue, name, delay, ttr } = draft
  return { queue, name, payload: JSON.parse(draft.payload || '{}'), delay, ttr, metadata: Object.fromEntries(draft.metadata) }
}

/** Not less than none, and not more than a number can count. */
export function wholeMilliseconds(time: number): number {
  return Math.min(Math.max(Math.round(time) || 0, 0), Number.MAX_SAFE_INTEGER)
}

/** Rounded up, at least 1, as the host keeps it. */
export function wholeSeconds(time: number): number {
  return Math.min(Math.max(Math.ceil(time) || 0, 1), 0xffff_ffff)
}
