// What plugins say by mistake.
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
  queue,
} from 'jobhost-plugin'

const half = 'a\ud83e'
const draft = { queue: 'follow-up', name: 'first', payload: {} }

export const handler = defineHandler((job) => {
  switch (job.payload.do) {
    case 'halves':
      context.log('info', half)
      context.progress(1, null, half)
      return queue.push({ ...draft, name: half, metadata: { [half]: half } })
    case 'progress':
      context.progress(-1, 2 ** 33)
      return context.progress(1.5, 3_000_000_000)
    case 'no-name':
      return queue.push({ ...draft, name: undefined })
    case 'no-delay':
      return queue.push({ ...draft, delay: NaN })
    case 'no-list':
      return queue.pushMany(draft)
    case 'no-time':
      throw JobError.retryAfter(Number(undefined), '429', 'too many')
  }
})

export const timeToRun = defineTimeToRun(({ payload }) => payload.minutes * 60)
export const retryPolicy = defineRetryPolicy(async () => 'retry')
export const beforePush = defineBeforePush(({ payload }) => (payload.do === 'half' ? { reject: half } : false))
export const beforeExec = defineBeforeExec(({ payload }) => (payload.do === 'fraction' ? { postpone: 1.6 } : 'skip'))
export const afterExec = defineAfterExec(async () => {})
export const afterError = defineAfterError(() => ({ retry_after: 5 }))
