/// <reference path="./interfaces.d.ts" />
/**
 * Write plugins for jobhost in JavaScript and TypeScript. A plugin exports one
 * value for each interface that its `wit/world.wit` exports:
 *
 *     import { defineHandler, JobError, context, queue } from 'jobhost-plugin'
 *
 *     export const handler = defineHandler((job) => {
 *       if (!job.payload.image) throw JobError.permanent('no-image', 'there is nothing to resize')
 *       console.info(`attempt ${job.attempt} of ${job.payload.image}`)
 *       context.progress(1, 2, 'read')
 *       queue.push({ queue: 'upload', name: 'upload', payload: { size: 3 } })
 *       return { path: `/${job.id}.png` }
 *     })
 *
 * The others are `timeToRun`, `retryPolicy`, `beforePush`, `beforeExec`,
 * `afterExec` and `afterError`. Handlers and hooks are synchronous: nothing else
 * runs in the sandbox of a job.
 *
 * Importing this module gives QuickJS a `console`, whose lines are the job's log,
 * and fresh randomness: `Math.random` and `crypto`.
 *
 * `jobhost-plugin/files`, `/http`, `/config` and `/keyvalue` are for what a plugin is granted.
 */
import './globals.ts'

export * as context from './context.ts'
export * as queue from './queue.ts'
export {
  defineAfterError,
  defineAfterExec,
  defineBeforeExec,
  defineBeforePush,
  defineHandler,
  defineRetryPolicy,
  defineTimeToRun,
} from './define.ts'
export { JobError } from './errors.ts'
export type { Failure } from './errors.ts'
export type { AttemptReport, ExecDecision, FailureCause, PushDecision, RetryDecision } from './hooks.ts'
export type { Draft, Job } from './job.ts'
export { PushError } from './queue.ts'
