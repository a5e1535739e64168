import * as host from 'jobhost:plugin/queue@0.1.0'
import { draftToHost } from './job.ts'
import type { Draft } from './job.ts'

/**
 * Pushes a job in the same transaction that settles this attempt. A handler's
 * pushes are stored only if the attempt is done; a hook's with the outcome that
 * it heard of, a retry included. Throws a `PushError`.
 */
export function push(draft: Draft): void {
  asked(() => host.push(checked(draft)))
}

/** Like `push`: all of them or none. */
export function pushMany(drafts: Iterable<Draft>): void {
  const all = [...drafts].map(checked)
  asked(() => host.pushMany(all))
}

/**
 * Stores a job at once, whatever becomes of this attempt. Returns its id: then it
 * is stored once. A `PushError` of kind `unavailable` leaves open whether it is; a
 * further call is another job. So push one that may run twice, or use `push`.
 */
export function pushNow(draft: Draft): string {
  return asked(() => host.pushNow(checked(draft)))
}

/**
 * Why a job was not pushed: `denied`, not granted, no such queue, or not from within
 * this function; `rejected` by a before-push hook; `invalid`, too large, too many
 * or not encodable; `unavailable`, the store does not answer, or this attempt has
 * lost its lease.
 */
export class PushError extends Error {
  override readonly name = 'PushError'

  constructor(
    readonly kind: 'denied' | 'rejected' | 'invalid' | 'unavailable',
    reason: string,
  ) {
    super(`${kind}: ${reason}`)
  }
}

function checked(draft: Draft): host.JobDraft {
  try {
    return draftToHost(draft)
  } catch (error) {
    throw new PushError('invalid', error instanceof Error ? error.message : String(error))
  }
}

function asked<T>(ask: () => T): T {
  try {
    return ask()
  } catch (error) {
    const told = (error as { payload?: host.PushError }).payload
    throw told?.tag ? new PushError(told.tag, told.val) : error
  }
}
