import * as host from 'jobhost:plugin/context@0.1.0'
import { shown, wellFormed } from './job.ts'

/** How important a log line is. */
export type Level = host.Level

const LEVELS: readonly Level[] = ['trace', 'debug', 'info', 'warn', 'error']

/** Writes a line to the job's log, as the functions of `console` do. Throws a TypeError where there is no such level. */
export function log(level: Level, message: string): void {
  if (!LEVELS.includes(level)) throw new TypeError(`there is no level ${shown(level)}; the levels are ${LEVELS.join(', ')}`)
  host.log(level, wellFormed(message))
}

/**
 * Milliseconds left before the host interrupts this call. While the host stops
 * they shrink to what is left of the grace period.
 */
export function remaining(): number {
  return host.remaining()
}

/** Shows how far the job is, in whole numbers to 2^32 - 1. `total` is null where it is not known. */
export function progress(done: number, total: number | null, note = ''): void {
  host.progress(count(done), total == null ? null : count(total), wellFormed(note))
}

/** The engine takes the bits of 32-bit numbers as if they had a sign. */
function count(number: number): number {
  return Math.min(Math.max(Math.trunc(number) || 0, 0), 0xffff_ffff) | 0
}
