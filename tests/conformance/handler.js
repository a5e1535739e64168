import { context, defineHandler, JobError, PushError, queue } from 'jobhost-plugin'

export const handler = defineHandler((job) => {
  switch (job.payload.do) {
    case 'echo':
      return { text: job.payload.text }
    case 'length':
      return { length: job.payload.text.length }
    case 'temporary':
      throw JobError.temporary('busy', 'later, perhaps')
    case 'permanent':
      throw JobError.permanent('never', 'nobody can').detail('path', 'a.b')
    case 'retry-after':
      throw JobError.retryAfter(1500, '429', 'too many')
    case 'uncaught':
      return job.payload.absent.length
    case 'progress':
      context.progress(1, null, 'begun')
      context.progress(2, 3, 'näher')
      return
    case 'logs':
      console.debug('a')
      console.info('b', '🦀')
      console.warn('c')
      console.error('d')
      return
    case 'push':
      queue.push({
        queue: 'follow-up',
        name: 'first',
        payload: { text: 'ü' },
        delay: 1500,
        ttr: 2.5,
        metadata: { tenant: '7' },
      })
      return { id: queue.pushNow({ queue: 'follow-up', name: 'second', payload: {} }) }
    case 'refused-push':
      try {
        queue.push({ queue: 'follow-up', name: 'first', payload: {} })
      } catch (error) {
        return { refused: error instanceof PushError ? error.kind : String(error) }
      }
      return
    case 'loop':
      for (;;) {}
    case 'random':
      return { numbers: [Math.random(), Math.random()], id: crypto.randomUUID() }
    case 'job': {
      const { id, key, name, attempt, maxAttempts: of, ttr, metadata } = job
      return { id, key, name, attempt, of, ttr, tenant: metadata.tenant, remaining: context.remaining() > 0 }
    }
  }
})
