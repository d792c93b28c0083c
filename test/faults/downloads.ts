/** Clients that go on downloading a public file while something happens, and what they must get. */

import type { Test } from 'tap'
import { type Asking, goOnAsking, type Observation, observe, timed } from '../harness/clients.ts'
import { ask } from '../harness/http.ts'
import { judgeWaits, type Stalls } from '../harness/stalls.ts'

export interface Download {
  readonly status: number
  readonly ms: number
  readonly isRight: boolean
  /** What came where that isn't right. */
  readonly problem: string
}

/** Downloads the file that is offered of an add-on, again and again. `bytes`: of its package. */
export async function startDownloads(
  url: string,
  guid: string,
  bytes: Buffer,
  everyMs = 20,
): Promise<Asking<Download>> {
  const path = await linkOf(url, guid)
  return goOnAsking(async () => {
    const { reply, ms } = await timed(() => ask(url, path))
    const { status, body, text } = reply
    const isRight = status === 200 && body.equals(bytes)
    return { status, ms, isRight, problem: status === 200 ? `${body.length} bytes` : text }
  }, everyMs)
}

/** The path of the file that is offered of an add-on now. */
export async function linkOf(url: string, guid: string): Promise<string> {
  const { text } = await observe(url, guid)
  return new URL(JSON.parse(text).addons[guid].updates[0].update_link).pathname
}

/**
 * Everybody got the file, byte for byte and in time. A download goes to a replica and to the disk, and a busy machine may let each of
 * them wait: by how much is seen from the slowest check of the same time, which is judged by itself.
 */
export function judgeDownloads(
  t: Test,
  seen: readonly Download[],
  { checks, stalls }: { readonly checks: readonly Observation[]; readonly stalls: Stalls },
): void {
  const wrong = seen.filter(({ isRight }) => !isRight)
  t.strictSame(
    wrong.slice(0, 5).map(({ status, problem }) => ({ status, problem })),
    [],
    `${seen.length} downloads, each of the right bytes`,
  )
  t.ok(seen.length > 0, 'there were some')
  const slowest = Math.max(0, ...checks.map(({ ms }) => ms))
  judgeWaits(t, seen, { msMax: () => stalls.msMax() + slowest })
}
