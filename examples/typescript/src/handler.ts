// Writes the receipt of an order.
import { context, defineHandler, JobError, queue } from 'jobhost-plugin'
import type { Job } from 'jobhost-plugin'
import { getEnvironment } from 'wasi:cli/environment@0.2.0'

/** The payload. Nobody has checked it: types are gone when it is read. */
interface Order {
  order: string
  lines: Line[]
}

interface Line {
  item: string
  quantity: number
  cents: number
}

/** The output: JSON that is kept with the job. */
interface Receipt {
  order: string
  pieces: number
  cents: number
}

const MOST_LINES = 100
const MOST_PIECES = 100
const MOST_CENTS = 100000

export const handler = defineHandler((job: Job<unknown>): Receipt => {
  const { order, lines } = checked(job.payload)
  const shop = variable('SHOP')
  if (shop === undefined) {
    // Granted in jobhost.toml. Without it the job is tried again: by then the operator may have granted it.
    throw JobError.temporary('no-shop', 'no variable SHOP is granted')
  }
  console.info(`${order}: ${lines.length} lines`)
  let pieces = 0
  let cents = 0
  for (const [index, line] of lines.entries()) {
    pieces += line.quantity
    cents += line.quantity * line.cents
    // Shown by `jobhost status`.
    context.progress(index + 1, lines.length, line.item)
  }
  const text = `${shop}: order ${order}, ${pieces} pieces, ${(cents / 100).toFixed(2)}`
  // Stored when this job is done, or not at all.
  queue.push({ queue: 'mail', name: 'send-receipt', payload: { order, text } })
  return { order, pieces, cents }
})

/** QuickJS has no `process.env`: this is where the host has the variables. */
function variable(name: string): string | undefined {
  return new Map(getEnvironment()).get(name)
}

/** The payload, if it is an order; else no attempt will succeed. */
function checked(payload: unknown): Order {
  if (!isOrder(payload)) {
    throw JobError.permanent('invalid-payload', 'the payload has not the members of an order')
  }
  const { order, lines } = payload
  if (order === '') {
    throw badOrder('an order has a number')
  }
  if (lines.length < 1 || lines.length > MOST_LINES) {
    throw badOrder(`an order has 1 to ${MOST_LINES} lines`)
  }
  for (const { item, quantity, cents } of lines) {
    if (quantity < 1 || quantity > MOST_PIECES) {
      throw badOrder(`${item}: a quantity goes from 1 to ${MOST_PIECES}`)
    }
    if (cents > MOST_CENTS) {
      throw badOrder(`${item}: a price is at most ${MOST_CENTS} cents`)
    }
  }
  return payload
}

function badOrder(message: string): JobError {
  return JobError.permanent('bad-order', message)
}

function isOrder(payload: unknown): payload is Order {
  const { order, lines } = (payload ?? {}) as Partial<Order>
  return typeof order === 'string' && Array.isArray(lines) && lines.every(isLine)
}

function isLine(line: unknown): line is Line {
  const { item, quantity, cents } = (line ?? {}) as Partial<Line>
  return typeof item === 'string' && isCount(quantity) && isCount(cents)
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0
}
