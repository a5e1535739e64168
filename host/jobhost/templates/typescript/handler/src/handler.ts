// Greets people: a job handler to change into your own.
import { context, defineHandler, JobError, queue } from 'jobhost-plugin'
import type { Job } from 'jobhost-plugin'

/** The payload: the JSON with which the job was pushed. */
interface Greet {
  name: string
  ready_at_attempt?: number
}

/** The output: JSON that is kept with the job. */
interface Greeting {
  text: string
  attempt: number
}

export const handler = defineHandler((job: Job<Greet>): Greeting => {
  const { name, ready_at_attempt = 0 } = job.payload
  if (!name) {
    // It will be no better next time.
    throw JobError.permanent('no-name', 'nobody to greet')
  }
  if (job.attempt < ready_at_attempt) {
    // It may be next time. Any other exception says the same.
    throw JobError.temporary('not-ready', `there is no greeting before attempt ${ready_at_attempt}`)
  }
  console.info(`greeting ${name}`)
  context.progress(1, 2, 'greeting')
  const text = `Hello, ${name}!`
  // Stored when this job is done, or not at all.
  queue.push({ queue: 'follow-up', name: 'announce', payload: { text } })
  context.progress(2, 2, 'announced')
  return { text, attempt: job.attempt }
})
