import type { Failure as HostFailure, JobError as HostJobError } from 'jobhost:plugin/types@0.1.0'
import { pairs, wellFormed, wholeMilliseconds } from './job.ts'

/** Why a job failed, for machines and for people. */
export interface Failure {
  /** Short and stable, such as `35020` or `upstream-503`. */
  code: string
  /** A sentence for people. */
  message: string
  /** More, by name. */
  details?: Record<string, string>
}

/**
 * How a handler's attempt failed. Whatever else is thrown is a temporary error with
 * the code `error`, and has its stack among its details.
 */
export class JobError extends Error {
  override readonly name = 'JobError'
  readonly details: Record<string, string> = {}

  private constructor(
    readonly kind: 'temporary' | 'retry-after' | 'permanent',
    readonly code: string,
    message: string,
    readonly after = 0,
  ) {
    super(message)
  }

  /** Another attempt may succeed. */
  static temporary(code: string, message: string): JobError {
    return new JobError('temporary', code, message)
  }

  /** Another attempt may succeed, but not before so many milliseconds (HTTP 429 and the like). */
  static retryAfter(after: number, code: string, message: string): JobError {
    return new JobError('retry-after', code, message, wholeMilliseconds(after))
  }

  /** No attempt will succeed. */
  static permanent(code: string, message: string): JobError {
    return new JobError('permanent', code, message)
  }

  /** Adds a detail. */
  detail(name: string, value: string): this {
    this.details[name] = value
    return this
  }

  /** What was thrown, as a job's error. */
  static of(thrown: unknown): JobError {
    if (thrown instanceof JobError) return thrown
    const error = JobError.temporary('error', withCauses(thrown))
    const stack = thrown instanceof Error ? thrown.stack : undefined
    return stack ? error.detail('backtrace', stack) : error
  }

  /** As the interface has it. */
  toHost(): HostJobError {
    const failure = failureToHost(this)
    if (this.kind === 'retry-after') return { tag: this.kind, val: { failure, after: this.after } }
    return { tag: this.kind, val: failure }
  }
}

export function failureToHost({ code, message, details }: Failure): HostFailure {
  return { code: wellFormed(code), message: wellFormed(message), details: pairs(details) }
}

/** What was thrown, and why that was, on one line. */
export function withCauses(thrown: unknown): string {
  const texts: string[] = []
  // A cause may be its own.
  for (let error = thrown; error !== undefined && texts.length < 10; ) {
    texts.push(String(error))
    error = error instanceof Error ? error.cause : undefined
  }
  return texts.join(': ')
}
