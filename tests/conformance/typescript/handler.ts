import {
  context,
  defineAfterError,
  defineAfterExec,
  defineBeforeExec,
  defineBeforePush,
  defineHandler,
  defineRetryPolicy,
  defineTimeToRun,
  JobError,
  PushError,
  queue,
} from 'jobhost-plugin'
import type { Draft, ExecDecision, FailureCause, Job, PushDecision, RetryDecision } from 'jobhost-plugin'

interface Payload {
  do: string
  text: string
  /** Of no job. */
  absent: { length: number }
}

export const handler = defineHandler((job: Job<Payload>): object | undefined => {
  switch (job.payload.do) {
    case 'echo':
      return { text: job.payload.text }
    case 'temporary':
      throw JobError.temporary('busy', 'later, perhaps')
    case 'permanent':
      throw JobError.permanent('never', 'nobody can').detail('path', 'a.b')
    case 'retry-after':
      throw JobError.retryAfter(1500, '429', 'too many')
    case 'uncaught':
      return { length: job.payload.absent.length }
    case 'progress':
      context.progress(1, null, 'begun')
      context.progress(2, 3, 'näher')
      return undefined
    case 'logs':
      console.debug('a')
      console.info('b', '🦀')
      console.warn('c')
      console.error('d')
      return undefined
    case 'print':
      console.log('to stdout 🦀')
      console.error('to stderr')
      return undefined
    case 'push': {
      const first: Draft = { queue: 'follow-up', name: 'first', payload: { text: 'ü' } }
      queue.push({ ...first, delay: 1500, ttr: 2.5, metadata: { tenant: '7' } })
      return { id: queue.pushNow({ queue: 'follow-up', name: 'second', payload: {} }) }
    }
    case 'refused-push':
      try {
        queue.push({ queue: 'follow-up', name: 'first', payload: {} })
      } catch (error) {
        return { refused: error instanceof PushError ? error.kind : String(error) }
      }
      return undefined
    case 'loop':
      for (;;) {}
    case 'fill-memory': {
      const kept: Uint8Array[] = []
      for (;;) kept.push(new Uint8Array(1 << 20).fill(1))
    }
    case 'random':
      return { numbers: [Math.random(), Math.random()], id: crypto.randomUUID() }
    case 'job': {
      const { id, key, name, attempt, maxAttempts: of, ttr, metadata } = job
      return { id, key, name, attempt, of, ttr, tenant: metadata['tenant'], remaining: context.remaining() > 0 }
    }
    default:
      return undefined
  }
})

export const timeToRun = defineTimeToRun(({ payload }: Draft): number | null =>
  (payload as Payload).do === 'take-long' ? 89.5 : null,
)

export const retryPolicy = defineRetryPolicy((_job: Job, cause: FailureCause): RetryDecision => {
  if (cause.code === 'busy') return { retryAfter: 1500 }
  return cause.kind === 'timed-out' ? { giveUp: cause.kind } : 'unchanged'
})

export const beforePush = defineBeforePush((draft: Draft): PushDecision => {
  switch ((draft.payload as Payload).do) {
    case 'reject':
      return { reject: 'nichts für uns' }
    case 'replace':
      return { replace: { ...draft, name: 'other', payload: { text: 'ü' } } }
    default:
      return 'accept'
  }
})

export const beforeExec = defineBeforeExec((job: Job<Payload>): ExecDecision => {
  switch (job.payload.do) {
    case 'skip':
      return { skip: 'nichts für uns' }
    case 'postpone':
      return { postpone: 1500 }
    case 'fail':
      return { fail: { code: 'never', message: 'nobody can', details: { path: 'a.b' } } }
    default:
      return 'proceed'
  }
})

export const afterExec = defineAfterExec((_job: Job, output: { text?: string }) => {
  if (output.text === undefined) throw new Error('the output has no text')
  queue.push({ queue: 'follow-up', name: 'heard', payload: { text: output.text } })
})

export const afterError = defineAfterError((_job: Job, cause: FailureCause): RetryDecision => {
  console.warn(`${cause.code}: ${cause.message}`)
  return { retryAfter: 1500 }
})
