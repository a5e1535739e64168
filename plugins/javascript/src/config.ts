/// <reference path="./interfaces.d.ts" />
/**
 * Settings that the operator wrote for this plugin: `config = { base-url = "https://cdn.example.com" }`.
 * `wit/world.wit` has to import `wasi:config/store@0.2.0-rc.1`.
 */
import * as host from 'wasi:config/store@0.2.0-rc.1'
import { JobError } from './errors.ts'
import { wellFormed } from './job.ts'

/** The setting of this name; undefined where the operator wrote none. */
export function get(key: string): string | undefined {
  return asked(() => host.get(wellFormed(key))) ?? undefined
}

/** The same of one that the plugin cannot do without: a permanent error `not-configured` where there is none. */
export function required(key: string): string {
  const value = get(key)
  if (value !== undefined) return value
  const line = `config = { ${JSON.stringify(key)} = "…" }`
  throw JobError.permanent('not-configured', `there is no setting \`${key}\`; add \`${line}\` to the plugin's grants`)
}

/** All settings, by name. */
export function getAll(): Record<string, string> {
  return Object.fromEntries(asked(() => host.getAll()))
}

function asked<T>(ask: () => T): T {
  try {
    return ask()
  } catch (error) {
    const told = (error as { payload?: host.Error }).payload
    throw told?.tag ? JobError.temporary('config', `the settings cannot be read: ${told.val}`) : error
  }
}
