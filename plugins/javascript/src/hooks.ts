import type * as host from 'jobhost:plugin/types@0.1.0'
import { shown, wellFormed, wholeMilliseconds } from './job.ts'
import type { Failure } from './errors.ts'
import type { Draft } from './job.ts'

/** What a before-push hook answers; nothing accepts the draft as it is. The queue of another draft must be the same. */
export type PushDecision = 'accept' | { replace: Draft } | { reject: string }

/**
 * What a before-exec hook answers; nothing runs the job. `skip`: it is done, and this is why; `postpone`: not for so many
 * milliseconds, and the attempt is not counted; `fail`: the attempt has failed.
 */
export type ExecDecision = 'proceed' | { skip: string } | { postpone: number } | { fail: Failure }

/**
 * What becomes of a failed job. `unchanged`, or nothing: what the host, or the link before this one, decided; `retry`:
 * another attempt, after the queue's own backoff; `retryAfter`: after so many milliseconds; `giveUp`: no further attempt,
 * and why.
 */
export type RetryDecision = 'unchanged' | 'retry' | { retryAfter: number } | { giveUp: string }

/** Why an attempt ended badly: the handler's own error, or the host's finding. */
export interface FailureCause {
  /** The kind of the handler's error, or what the host found. */
  readonly kind: host.JobError['tag'] | Exclude<host.FailureCause['tag'], 'returned'>
  /** The handler's own code, or the kind. */
  readonly code: string
  /** The handler's own message, or a sentence about what the host found. */
  readonly message: string
  /** Of the handler's error. */
  readonly details: Readonly<Record<string, string>>
  /** Milliseconds for which the handler asked, with `retry-after`. */
  readonly after?: number
}

/** What an attempt cost. */
export interface AttemptReport {
  /** Milliseconds from the push, or the last attempt, to this one. */
  readonly waited: number | null
  /** Milliseconds. */
  readonly duration: number
  /** Bytes of linear memory at its highest. */
  readonly peakMemory: number
  /** The version that ran, such as `sha256:...`. */
  readonly pluginDigest: string
}

export function causeFromHost(cause: host.FailureCause): FailureCause {
  if (cause.tag === 'returned') {
    const { tag, val } = cause.val
    const { code, message, details } = tag === 'retry-after' ? val.failure : val
    const after = tag === 'retry-after' ? { after: val.after } : {}
    return { kind: tag, code, message, details: Object.fromEntries(details), ...after }
  }
  return { kind: cause.tag, code: cause.tag, message: sentence(cause), details: {} }
}

function sentence(cause: Exclude<host.FailureCause, host.FailureCauseReturned>): string {
  switch (cause.tag) {
    case 'timed-out':
      return `it took longer than ${cause.val / 1000} s`
    case 'out-of-memory':
      return `it needed more memory than ${cause.val} bytes`
    case 'out-of-fuel':
      return `it used up ${cause.val} units of fuel`
    case 'exited':
      return `it ended itself with status ${cause.val}`
    case 'crashed':
      return `its worker died ${cause.val} times`
    case 'unhandled':
      return 'no plugin handles a job of this name'
    default:
      return cause.val
  }
}

export function retryToHost(decision: RetryDecision | void): host.RetryDecision {
  if (decision == null) return { tag: 'unchanged' }
  if (decision === 'unchanged' || decision === 'retry') return { tag: decision }
  if (has(decision, 'giveUp')) return { tag: 'give-up', val: wellFormed(decision.giveUp) }
  if (has(decision, 'retryAfter')) return { tag: 'retry-after', val: wholeMilliseconds(decision.retryAfter) }
  throw noDecision(decision, "'unchanged', 'retry', { retryAfter } or { giveUp }")
}

/** Whether the decision says so; what comes from JavaScript may be anything. */
export function has<D, K extends string>(decision: D, key: K): decision is Extract<D, Record<K, unknown>> {
  return typeof decision === 'object' && decision !== null && key in decision
}

/** What is answered by mistake must not pass for a decision. */
export function noDecision(answer: unknown, decisions: string): TypeError {
  return new TypeError(`${shown(answer)} is no decision; answer nothing, ${decisions}`)
}

export function retryFromHost(decision: host.RetryDecision): RetryDecision {
  switch (decision.tag) {
    case 'give-up':
      return { giveUp: decision.val }
    case 'retry-after':
      return { retryAfter: decision.val }
    default:
      return decision.tag
  }
}

export function reportFromHost({ waited, duration, peakMemory, pluginDigest }: host.AttemptReport): AttemptReport {
  return { waited: waited ?? null, duration, peakMemory, pluginDigest }
}
