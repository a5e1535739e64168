import { context, defineHandler, queue } from 'jobhost-plugin'
import { readText, writeFile } from 'jobhost-plugin/files'
import { fetch } from 'jobhost-plugin/http'

export const handler = defineHandler((job) => {
  refuses('a body', TypeError, () => fetch(job.payload.url, { method: 'PUT', body: new ArrayBuffer(2) }))
  refuses('a file', TypeError, () => writeFile('/data/in.txt', 7))
  refuses('a level', TypeError, () => context.log('warning', 'no such level'))
  const payload = { toJSON() {} }
  refuses('a payload', queue.PushError, () => queue.push({ queue: 'follow-up', name: 'first', payload }))
  const answer = fetch(job.payload.url)
  return { text: answer.text() + readText('/data//in.txt') }
})

/** A mistake is an exception, which neither ends the job nor passes for something else. */
function refuses(what, kind, mistake) {
  try {
    mistake()
  } catch (error) {
    if (error instanceof kind) return
    throw error
  }
  throw new Error(`${what} passed`)
}
