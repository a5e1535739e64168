import { defineHandler } from 'jobhost-plugin'
import { readText } from 'jobhost-plugin/files'
import { fetch } from 'jobhost-plugin/http'

interface Fetch {
  url: string
}

export const handler = defineHandler<Fetch>((job) => {
  const answer = fetch(job.payload.url)
  return { text: answer.text() + readText('/data/in.txt') }
})
