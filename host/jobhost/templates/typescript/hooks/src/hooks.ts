// Announces greetings and gives up on what will never work: hooks to change into your own.
import { defineAfterError, defineAfterExec, queue } from 'jobhost-plugin'
import type { FailureCause, Job, RetryDecision } from 'jobhost-plugin'

/** The output of the jobs that are done. */
interface Greeting {
  text: string
}

/** Hears of every job that is done. */
export const afterExec = defineAfterExec((job: Job, output: Greeting) => {
  console.info(`${job.name} is done`)
  // Stored in the step that settles the job, or not at all.
  queue.push({ queue: 'follow-up', name: 'announce', payload: { text: output.text } })
})

/** Hears of every attempt that has failed, and has the last word on what becomes of the job. */
export const afterError = defineAfterError((job: Job, cause: FailureCause): RetryDecision => {
  console.warn(`${job.name} has failed: ${cause.code}`)
  return cause.code === 'no-name' ? { giveUp: 'nobody will have a name later' } : 'unchanged'
})
