import * as host from 'jobhost:plugin/context@0.1.0'

/** How important a log line is. */
export type Level = host.Level

/** Writes a line to the job's log, as the functions of `console` do. */
export function log(level: Level, message: string): void {
  host.log(level, message)
}

/**
 * Milliseconds left before the host interrupts this call. While the host stops
 * they shrink to what is left of the grace period.
 */
export function remaining(): number {
  return host.remaining()
}

/** Shows how far the job is. `total` is null where it is not known. */
export function progress(done: number, total: number | null, note = ''): void {
  host.progress(done, total, note)
}
