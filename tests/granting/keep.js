import { defineHandler, JobError } from 'jobhost-plugin'
import * as config from 'jobhost-plugin/config'
import { Bucket } from 'jobhost-plugin/keyvalue'

export const handler = defineHandler((job) => {
  const bucket = new Bucket('tasks')
  bucket.set('count', { number: 7 })
  bucket.set('gone', 'é\ud83d')
  const was = bucket.exists('gone')
  bucket.delete('gone')
  let denied
  try {
    new Bucket('others').get('count')
  } catch (error) {
    if (error instanceof JobError) denied = error.code
  }
  return {
    greeting: config.required('greeting'),
    absent: config.get('absent') ?? null,
    settings: config.getAll(),
    names: bucket.update('names', (names = []) => [...names, job.payload.name]),
    same: bucket.update('count', (count) => count),
    sum: bucket.increment('sum', -(2 ** 40)),
    count: bucket.get('count'),
    was,
    gone: bucket.get('gone') ?? null,
    half: [config.get('\ud83d') ?? null, bucket.get('\ud83d') ?? null],
    keys: bucket.keys(),
    denied,
  }
})
