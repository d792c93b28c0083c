/** Clients that go on asking while something happens, and remember what they got. */

import { setTimeout as sleep } from 'node:timers/promises'
import { check, type Reply } from './http.ts'

export interface Observation extends Reply {
  readonly guid: string
  /** When it was asked, by `performance.now()`, and how long the answer took. */
  readonly at: number
  readonly ms: number
  /** The version that was offered; undefined: none. */
  readonly version: string | undefined
  readonly cacheStatus: string
}

/** What goes on asking. */
export interface Asking<Seen> {
  /** What was seen since the start, or the last call. */
  take(): Seen[]
  /** Ends, and tells the rest. */
  stop(): Promise<Seen[]>
}

export type Clients = Asking<Observation>

export async function observe(url: string, guid: string): Promise<Observation> {
  const { reply, at, ms } = await timed(() => check(url, guid))
  return { ...reply, guid, at, ms, version: versionOf(reply), cacheStatus: reply.headers['cache-status'] ?? '' }
}

/** A reply that doesn't come is one of status 0. */
export async function timed(question: () => Promise<Reply>): Promise<{ reply: Reply; at: number; ms: number }> {
  const at = performance.now()
  const reply: Reply = await question().catch((error: Error) => ({
    status: 0,
    headers: {},
    body: Buffer.alloc(0),
    text: error.message,
  }))
  return { reply, at, ms: performance.now() - at }
}

/** Each guid in turn, a question every so many milliseconds, each on a connection of its own. */
export function startClients(url: string, guids: readonly string[], everyMs = 20): Clients {
  return goOnAsking((turn) => observe(url, guids[turn % guids.length] as string), everyMs)
}

/** A question every so many milliseconds, whether those before it were answered or not. */
export function goOnAsking<Seen>(question: (turn: number) => Promise<Seen>, everyMs: number): Asking<Seen> {
  let seen: Seen[] = []
  let stopped = false
  const asked = new Set<Promise<void>>()
  const run = (async () => {
    for (let turn = 0; !stopped; turn++) {
      const asking = question(turn).then((observation) => {
        seen.push(observation)
      })
      asked.add(asking)
      void asking.finally(() => asked.delete(asking))
      await sleep(everyMs)
    }
    await Promise.all(asked)
  })()
  const take = () => {
    const taken = seen
    seen = []
    return taken
  }
  return {
    take,
    async stop() {
      stopped = true
      await run
      return take()
    },
  }
}

function versionOf({ status, text }: Reply): string | undefined {
  if (status !== 200) return undefined
  const { addons = {} } = JSON.parse(text) as { addons?: Record<string, { updates: { version: string }[] }> }
  return Object.values(addons)[0]?.updates[0]?.version
}

/** Waits until something is so; fails with what it was waiting for. */
export async function until(what: string, isSo: () => Promise<boolean> | boolean, msMax = 15_000): Promise<void> {
  for (const giveUpAt = Date.now() + msMax; Date.now() < giveUpAt; await sleep(25)) if (await isSo()) return
  throw new Error(`after ${msMax} ms it is still not so: ${what}`)
}
