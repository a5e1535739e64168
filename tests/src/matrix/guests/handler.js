// Returns its payload.
import { defineHandler } from 'jobhost-plugin'

export const handler = defineHandler((job) => job.payload)
