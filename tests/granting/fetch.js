import { defineHandler } from 'jobhost-plugin'
import { readText } from 'jobhost-plugin/files'
import { fetch } from 'jobhost-plugin/http'

export const handler = defineHandler((job) => {
  const answer = fetch(job.payload.url)
  return { text: answer.text() + readText('/data/in.txt') }
})
