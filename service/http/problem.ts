/** Problem documents (RFC 9457): what every address but the update check answers when it can't do as it was asked. */

import type { HttpResponse } from 'uWebSockets.js'
import { STATUS_CODES } from 'node:http'

export interface Problem {
  readonly status: number
  /** A sentence for the reader; never SQL, a path or a stack. */
  readonly detail: string
  readonly headers?: Readonly<Record<string, string>>
  readonly closing: boolean
  readonly head?: boolean
}

/** `404 Not Found` */
export function statusLine(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? 'Unknown'}`
}

/** Answers at once; where the handler has returned already, call it within `Flight.answer`. */
export function sendProblem(res: HttpResponse, problem: Problem): void {
  const { status, detail, headers = {}, closing, head = false } = problem
  const body = JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, detail })
  res.writeStatus(statusLine(status))
  res.writeHeader('Content-Type', 'application/problem+json')
  res.writeHeader('Cache-Control', 'no-store')
  for (const [name, value] of Object.entries(headers)) res.writeHeader(name, value)
  endWith(res, body, { head, closing })
}

/** Ends an answer with a body, or as HEAD would with the length of one. */
function endWith(
  res: HttpResponse,
  body: string | Uint8Array,
  { head, closing }: { head: boolean; closing: boolean },
): void {
  if (!head) {
    res.end(body, closing)
    return
  }
  endWithoutBody(res, closing, typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength)
}

/**
 * Ends an answer to HEAD, with the length that GET would have, or a 304, without any. The length goes out as a header of ours: the
 * older binary waits for a body of a length that it is told, and drops what comes next on the connection. It also wants an abort
 * handler on such an answer, though it is complete.
 */
export function endWithoutBody(res: HttpResponse, closing: boolean, length?: number): void {
  res.onAborted(ignore)
  if (length !== undefined) res.writeHeader('Content-Length', String(length))
  if (closing) res.writeHeader('Connection', 'close')
  res.endWithoutBody()
}

function ignore(): void {}
