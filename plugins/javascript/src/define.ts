// What stands between a function of a plugin and the interface that it exports.
import type { ExecDecision as HostExecDecision } from 'jobhost:plugin/before-exec@0.1.0'
import type { PushDecision as HostPushDecision } from 'jobhost:plugin/before-push@0.1.0'
import type * as host from 'jobhost:plugin/types@0.1.0'
import { failureToHost, JobError, withCauses } from './errors.ts'
import { causeFromHost, has, noDecision, reportFromHost, retryFromHost, retryToHost } from './hooks.ts'
import type { AttemptReport, ExecDecision, FailureCause, PushDecision, RetryDecision } from './hooks.ts'
import { draftFromHost, draftToHost, jobFromHost, wellFormed, wholeMilliseconds, wholeSeconds } from './job.ts'
import type { Draft, Job } from './job.ts'

/**
 * Runs jobs: `export const handler = defineHandler((job) => …)`. What it returns is
 * kept with the job as JSON; nothing is no output.
 */
export function defineHandler<Payload = any, Output = unknown>(run: (job: Job<Payload>) => Output) {
  return {
    execute(job: host.Job): string {
      try {
        const output = finished(run(jobFromHost<Payload>(job)))
        return output === undefined ? '' : written(job.name, output)
      } catch (error) {
        throw JobError.of(error).toHost()
      }
    },
  }
}

/** Seconds that an attempt of a job may take, or nothing: `export const timeToRun = …`. */
export function defineTimeToRun(ask: (draft: Draft) => number | null | undefined) {
  return {
    getTtr(draft: host.JobDraft): number | null {
      const ttr = finished(ask(draftFromHost(draft)))
      return ttr == null ? null : wholeSeconds(ttr)
    },
  }
}

/** Whether a failed job is tried again: `export const retryPolicy = …`. */
export function defineRetryPolicy(ask: (job: Job, cause: FailureCause) => RetryDecision | void) {
  return {
    canRetry(job: host.Job, cause: host.FailureCause): host.RetryDecision {
      return retryToHost(finished(ask(jobFromHost(job), causeFromHost(cause))))
    },
  }
}

/** Hears of a job before it is stored: `export const beforePush = …`. */
export function defineBeforePush(hear: (draft: Draft) => PushDecision | void) {
  return {
    beforePush(draft: host.JobDraft): HostPushDecision {
      return heard(() => {
        const decision = finished(hear(draftFromHost(draft))) ?? 'accept'
        if (decision === 'accept') return { tag: 'accept' }
        if (has(decision, 'reject')) return { tag: 'reject', val: wellFormed(decision.reject) }
        if (has(decision, 'replace')) return { tag: 'replace', val: draftToHost(decision.replace) }
        throw noDecision(decision, "'accept', { replace } or { reject }")
      })
    },
  }
}

/** Hears of a job before it runs: `export const beforeExec = …`. */
export function defineBeforeExec(hear: (job: Job) => ExecDecision | void) {
  return {
    beforeExec(job: host.Job): HostExecDecision {
      return heard(() => {
        const decision = finished(hear(jobFromHost(job))) ?? 'proceed'
        if (decision === 'proceed') return { tag: 'proceed' }
        if (has(decision, 'skip')) return { tag: 'skip', val: wellFormed(decision.skip) }
        if (has(decision, 'fail')) return { tag: 'fail', val: failureToHost(decision.fail) }
        if (has(decision, 'postpone')) return { tag: 'postpone', val: wholeMilliseconds(decision.postpone) }
        throw noDecision(decision, "'proceed', { skip }, { postpone } or { fail }")
      })
    },
  }
}

/** Hears of a job that is done; its output is undefined where there is none: `export const afterExec = …`. */
export function defineAfterExec<Payload = any, Output = any>(
  hear: (job: Job<Payload>, output: Output, report: AttemptReport) => void,
) {
  return {
    afterExec(job: host.Job, output: string, report: host.AttemptReport): void {
      heard(() => {
        const read = output === '' ? undefined : JSON.parse(output)
        finished(hear(jobFromHost<Payload>(job), read, reportFromHost(report)))
      })
    },
  }
}

/** Hears of a failed attempt, and has the last word on what becomes of the job: `export const afterError = …`. */
export function defineAfterError<Payload = any>(
  hear: (job: Job<Payload>, cause: FailureCause, decision: RetryDecision, report: AttemptReport) => RetryDecision | void,
) {
  return {
    afterError(
      job: host.Job,
      cause: host.FailureCause,
      decision: host.RetryDecision,
      report: host.AttemptReport,
    ): host.RetryDecision {
      return heard(() => {
        const told = [causeFromHost(cause), retryFromHost(decision), reportFromHost(report)] as const
        return retryToHost(finished(hear(jobFromHost<Payload>(job), ...told)))
      })
    },
  }
}

/** A hook's error is text. */
function heard<T>(hook: () => T): T {
  try {
    return hook()
  } catch (error) {
    if (error instanceof Error && error.stack) console.debug(error.stack)
    throw withCauses(error)
  }
}

/** Nothing would ever settle a promise. */
function finished<T>(answer: T): T {
  if (typeof (answer as { then?: unknown } | null | undefined)?.then === 'function') {
    throw JobError.permanent('invalid-output', 'it returned a promise; write it without `async`')
  }
  return answer
}

function written(name: string, output: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(output)
  } catch (error) {
    throw JobError.permanent('invalid-output', `the output of ${name}: ${error}`)
  }
  if (text === undefined) {
    throw JobError.permanent('invalid-output', `the output of ${name}: a ${typeof output} is no JSON`)
  }
  return text
}
