/// <reference path="./interfaces.d.ts" />
/**
 * Requests over HTTP:
 *
 *     import { fetch } from 'jobhost-plugin/http'
 *
 *     const answer = fetch('https://api.example.com/v1/pictures/7', { method: 'PUT', body: picture })
 *     if (answer.status !== 201) throw JobError.temporary('upload', `the server answered ${answer.status}`)
 *
 * `wit/world.wit` has to import `jobhost:plugin/http@0.1.0`, and the operator to grant where
 * requests go: `http = ["https://api.example.com/v1/"]`.
 */
import * as host from 'jobhost:plugin/http@0.1.0'
import { JobError } from './errors.ts'
import { pairs, wellFormed, wholeMilliseconds } from './job.ts'
import { bytesOf, decode } from './utf8.ts'

/** What a request has besides its URL. */
export interface RequestOptions {
  /** Default: GET. */
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  /**
   * Milliseconds for a connection, for the first byte of the answer, and between bytes;
   * without it the time to run is the limit, and 10 s for a connection.
   */
  timeout?: number
}

/** What a server answered, whatever the status. A redirect is an answer, too: nobody follows it. */
export class Response {
  constructor(
    /** Such as 200. */
    readonly status: number,
    /** Names are in lower case; one may be there several times. */
    readonly headers: ReadonlyArray<[string, string]>,
    /** The whole body. */
    readonly body: Uint8Array,
  ) {}

  /** Whether the status is one of 200 to 299. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300
  }

  /** The first header of this name. */
  header(name: string): string | undefined {
    return this.headers.find(([known]) => known === name.toLowerCase())?.[1]
  }

  /** The body as UTF-8; what is none is replaced. */
  text(): string {
    return decode(this.body)
  }

  /** The body as JSON; throws a SyntaxError where it is none. */
  json(): any {
    return JSON.parse(this.text())
  }
}

/**
 * Sends a request and waits for the whole answer: it returns a `Response` and no promise.
 *
 * Throws a `JobError`: permanent, `http-denied`, where it is not granted or passes a limit of
 * the host, whose log says what would allow it; permanent, `http-invalid`, where it cannot be
 * sent; temporary, `http-failed`, where there is no answer.
 */
export function fetch(url: string, options: RequestOptions = {}): Response {
  const method = wellFormed(options.method ?? 'GET').toUpperCase()
  const { body = '', timeout } = options
  try {
    const answer = host.send({
      method,
      url: wellFormed(url),
      headers: pairs(options.headers),
      body: bytesOf(body),
      timeout: timeout === undefined ? null : wholeMilliseconds(timeout),
    })
    return new Response(answer.status, answer.headers, answer.body)
  } catch (error) {
    const told = (error as { payload?: host.HttpError }).payload
    // Without the query, which may hold what is not for everybody.
    throw told?.tag ? failure(`${method} ${url.split(/[?#]/)[0]}`, told) : error
  }
}

function failure(name: string, told: host.HttpError): JobError {
  switch (told.tag) {
    case 'invalid':
      return JobError.permanent('http-invalid', `${name} cannot be sent: ${told.val}`)
    case 'denied':
      return JobError.permanent('http-denied', `${name}: ${told.val}; the host's log says what would allow it`)
    default:
      return JobError.temporary('http-failed', `${name}: request failed: ${told.val}`)
  }
}
