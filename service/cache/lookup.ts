/**
 * Finds what memory doesn't hold, tier by tier, and keeps it there. An add-on is asked for once, however many clients wait for it,
 * and together with all others that were asked for in the same turn. What is known to have changed is asked for again at once.
 */

import { startDeadline } from '../deadline.ts'
import type { Timeline } from '../feed/index.ts'
import {
  BATCH_GUIDS_MAX,
  BATCHES_MAX,
  COLD_MS_MAX,
  COLD_SWEEP_MS,
  COLD_WAITING_MAX,
  REPLICA_CONNECTIONS_MAX,
  SHARED_LANES,
  STALE_RETRY_MS,
  UNKNOWN_GUIDS_MAX,
} from '../limits.ts'
import { counterOf, type EntryMemory, type Found, makeEntry, type Offer, type RenderOptions } from '../update/index.ts'
import { type Batcher, createBatcher } from './batch.ts'
import type { Memory } from './memory.ts'
import { RecentGuids } from './recent-guids.ts'
import type { Shared } from './shared.ts'
import type { Answered, Source } from './source.ts'

export interface LookupOptions {
  readonly source: Source
  readonly timeline: Timeline
  readonly memory: Memory | undefined
  readonly shared: Shared | undefined
  /** False: each add-on is asked for by itself. */
  readonly batching: boolean
  /** What entries are made with, and the name of all entries made so. */
  readonly render: () => RenderOptions & { readonly generation: string }
  /** Seconds since a replica that isn't behind could be asked; 0 while it can be. */
  readonly ageS: () => number
  /** Seconds by which all replicas are known to be late, where it is to be told; else 0. */
  readonly lateS: () => number
  /** Nobody could be asked for so long that nothing may be offered of what is kept. */
  readonly isWithheld: () => boolean
  /** Told, before it is used, what is known of an add-on that had changed: its entry, or that it is gone. */
  readonly onRefreshed: (refreshed: readonly Refreshed[]) => void
  /** No replica answered in time, or none is far enough (then without an error). */
  readonly onTrouble: (error?: unknown) => void
}

export interface Refreshed {
  readonly guid: string
  readonly counter: number
  /** Undefined: the add-on isn't public any more. */
  readonly entry: EntryMemory | undefined
}

export interface Lookup {
  /** Finds an add-on and tells once, in less than 300 ms; undefined where nobody could be asked and nothing is known. */
  fetch(guid: string, done: (found: Found | undefined) => void): void
  /** The add-on is known to have changed: its new state is fetched in the background, and until then waited for. */
  refresh(guid: string): void
  /** The add-on may have been made since it was found to be unknown. */
  forgetUnknown(guid: string): void
  forgetAll(): void
  /** Guids whose newer state isn't here yet. */
  readonly refreshing: ReadonlySet<string>
  readonly waiting: number
  readonly unknown: number
  readonly batches: Batcher
  /** Of memcached. */
  readonly sharedBatches: Batcher | undefined
  /** Add-ons that replicas were asked for, and whether they had them. */
  readonly counts: { readonly hits: number; readonly misses: number }
  close(): void
}

/** One add-on that is being asked for. */
interface Flight {
  readonly guid: string
  /** Since when the first of those waits who wait. */
  begunAt: number
  readonly waiters: Waiter[]
}

interface Waiter {
  readonly since: number
  readonly done: (found: Found | undefined) => void
}

export function createLookup(options: LookupOptions): Lookup {
  const { source, timeline, memory, shared, batching, render, ageS, lateS, isWithheld, onRefreshed, onTrouble } =
    options
  /** By guid. */
  const flights = new Map<string, Flight>()
  /** What has changed, in the order it will be asked for; and what of it is being asked for now. */
  const stale = new Set<string>()
  const refreshing = new Set<string>()
  /** Guids that nobody knows: asked for again and again by clients that have add-ons from elsewhere. */
  const unknown = new RecentGuids(UNKNOWN_GUIDS_MAX)
  const askedOnce = new RecentGuids(memory?.entriesMax ?? 0)
  let waiting = 0
  /** After a failure what has changed is asked for again only then; clients are answered before. */
  let staleRetryAt = 0

  const counts = { hits: 0, misses: 0 }

  const batches = createBatcher({
    sizeMax: batching ? BATCH_GUIDS_MAX : 1,
    lanes: batching ? BATCHES_MAX : REPLICA_CONNECTIONS_MAX,
    run: askSource,
    fill: nextStale,
  })
  const sharedBatches =
    shared &&
    createBatcher({
      sizeMax: batching ? BATCH_GUIDS_MAX : 1,
      lanes: SHARED_LANES,
      run: (guids) => askShared(shared, guids),
      fill: () => [],
    })
  let cancelSweep = startDeadline(COLD_SWEEP_MS, sweep)

  function fetch(guid: string, done: (found: Found | undefined) => void): void {
    if (unknown.has(guid) && ageS() === 0) {
      done({ tier: 'memory', ageS: told(lateS()) })
      return
    }
    if (waiting >= COLD_WAITING_MAX) {
      done(fallback(guid))
      return
    }
    waiting++
    const flight = flights.get(guid)
    if (flight !== undefined) {
      flight.waiters.push({ since: performance.now(), done })
      return
    }
    const begunAt = performance.now()
    flights.set(guid, { guid, begunAt, waiters: [{ since: begunAt, done }] })
    // What has changed is in no tier yet.
    if (sharedBatches !== undefined && shared?.isUsable && !refreshing.has(guid)) sharedBatches.ask(guid)
    else batches.ask(guid)
  }

  async function askShared(tier: Shared, guids: readonly string[]): Promise<void> {
    const { generation } = render()
    const entries = await tier.get(guids, generation)
    const how = { tier: 'memcached', ageS: told(ageS() || lateS()), isWithheld: isWithheld() } as const
    for (const guid of guids) {
      const entry = entries.get(guid)
      // Since it was asked for, the add-on may have changed.
      if (entry === undefined || refreshing.has(guid)) {
        if (flights.has(guid)) batches.ask(guid)
        continue
      }
      memory?.put({ memory: entry, at: 0 })
      finish(guid, { ...how, entry: { memory: entry, at: 0 } })
    }
  }

  async function askSource(guids: string[]): Promise<void> {
    const askedAt = performance.now()
    try {
      const answered = await source.ask(guids)
      if (answered.isBehind) takeOld(guids, answered)
      else take(guids, answered, askedAt)
    } catch (error) {
      // Also of what could not be taken: nobody waits for it in vain.
      for (const guid of guids) {
        finish(guid, fallback(guid))
        if (refreshing.has(guid)) stale.add(guid)
      }
      staleRetryAt = performance.now() + STALE_RETRY_MS
      onTrouble(error)
    }
  }

  /**
   * Answers of a replica that isn't as far as what was seen: they may be given where nothing better is known, but not kept. Of an
   * add-on that is known to have changed since they might offer what was withdrawn.
   */
  function takeOld(guids: readonly string[], { offers, counter }: Answered): void {
    for (const guid of guids) {
      const offer = offers.get(guid)
      const isSuperseded = memory?.hasCurrent(guid) || timeline.mayHaveChangedSince(guid, counter)
      const old: Found = { tier: 'replica', ageS: Math.max(1, ageS()), ...(offer && { offer }) }
      finish(guid, isWithheld() || isSuperseded ? fallback(guid) : old)
      if (refreshing.has(guid)) stale.add(guid)
    }
    staleRetryAt = performance.now() + STALE_RETRY_MS
    onTrouble()
  }

  function take(guids: readonly string[], { offers, counter, token }: Answered, askedAt: number): void {
    timeline.see(counter)
    const isHeld = memory !== undefined || shared !== undefined
    const { generation, ...rendering } = render()
    const applications = new Set(rendering.applications.map(({ id }) => id))
    const isNewest = counter === timeline.seen
    const lacking: string[] = []
    const outdated = new Set<string>()
    const current = guids.filter((guid) => {
      // The query may have begun before a change that is known by now, or before all was read anew.
      if (!isNewest && (counter < timeline.floor || counter < timeline.lastChangeOf(guid))) {
        outdated.add(guid)
        return false
      }
      if (counter > timeline.position.counter) timeline.noteChange(guid, counter)
      if (!isHeld || knowsApplications(offers.get(guid), applications)) return true
      // Of an application that was added a moment ago: the entry would lack it for good.
      lacking.push(guid)
      return false
    })
    if (isHeld) {
      const kept = current.filter((guid) => !offers.has(guid) || isWorthHolding(guid))
      const entries = kept.map((guid) => {
        const offer = offers.get(guid)
        return { guid, counter, entry: offer && makeEntry(offer, counter, rendering) }
      })
      onRefreshed(entries.filter(({ guid }) => refreshing.has(guid)))
      for (const { guid, entry } of entries) keep(guid, counter, entry)
      shared?.set(
        entries.flatMap(({ entry }) => (entry === undefined ? [] : [{ memory: entry, at: 0 }])),
        counter,
        token,
        generation,
      )
    }
    for (const guid of current) refreshing.delete(guid)
    if (lacking.length > 0) {
      staleRetryAt = performance.now() + STALE_RETRY_MS
      for (const guid of lacking) refreshing.add(guid)
    }
    const lateness = told(lateS())
    for (const guid of guids) {
      const offer = offers.get(guid)
      counts[offer === undefined ? 'misses' : 'hits']++
      const found: Found = { tier: 'replica', ageS: lateness, ...(offer && { offer }) }
      finish(guid, found, outdated.has(guid) ? askedAt : undefined)
      if (refreshing.has(guid)) stale.add(guid)
    }
    if (stale.size > 0) batches.wake()
  }

  /**
   * Where others would have to go for it, an add-on is held once it is asked for again: most at the end of the tail are not, and
   * rendering their answers costs more than the query.
   */
  function isWorthHolding(guid: string): boolean {
    if (memory === undefined || shared !== undefined || memory.size < memory.entriesMax) return true
    if (refreshing.has(guid) || memory.has(guid) || askedOnce.has(guid)) return true
    askedOnce.add(guid)
    return false
  }

  /** As it was at a point of the feed; what is held may be newer. */
  function keep(guid: string, counter: number, entry: EntryMemory | undefined): void {
    if (memory === undefined) return
    if (entry !== undefined) {
      memory.put({ memory: entry, at: 0 })
      unknown.delete(guid)
      return
    }
    const held = memory.entryOf(guid)
    if (held !== undefined && counterOf(held) > counter) return
    memory.remove(guid)
    unknown.add(guid)
  }

  /** What is held though a newer state exists: it may offer what has been withdrawn. */
  function fallback(guid: string): Found | undefined {
    const entry = memory?.entryOf(guid)
    if (memory === undefined || entry === undefined) return undefined
    return { tier: 'memory', ageS: Math.max(1, ageS()), entry, isWithheld: memory.isOutdated(entry) }
  }

  /** `askedAt`: of what was outdated when it came. Whoever asked later is not told of it: others may have got something newer since. */
  function finish(guid: string, found: Found | undefined, askedAt = Number.POSITIVE_INFINITY): void {
    const flight = flights.get(guid)
    if (flight === undefined) return
    const { waiters } = flight
    // They came one after the other.
    const later = waiters.findIndex(({ since }) => since > askedAt)
    const told = later < 0 ? waiters : waiters.splice(0, later)
    waiting -= told.length
    if (later < 0) {
      flights.delete(guid)
      batches.forget(guid)
      sharedBatches?.forget(guid)
    } else {
      flight.begunAt = (waiters[0] as Waiter).since
      batches.ask(guid)
    }
    for (const { done } of told) done(found)
  }

  /** Whoever has waited for as long as a client should gets what there is. */
  function sweep(): void {
    cancelSweep = startDeadline(COLD_SWEEP_MS, sweep)
    const now = performance.now()
    for (const { guid, begunAt } of flights.values()) {
      if (now - begunAt < COLD_MS_MAX) continue
      finish(guid, fallback(guid))
      onTrouble()
    }
    if (stale.size > 0) batches.wake()
  }

  function nextStale(count: number): string[] {
    const guids: string[] = []
    if (performance.now() < staleRetryAt) return guids
    for (const guid of stale) {
      if (guids.length >= count) break
      stale.delete(guid)
      guids.push(guid)
    }
    return guids
  }

  return {
    fetch,
    refresh(guid) {
      unknown.delete(guid)
      refreshing.add(guid)
      stale.add(guid)
      batches.wake()
    },
    forgetUnknown: (guid) => unknown.delete(guid),
    forgetAll() {
      unknown.clear()
      stale.clear()
      refreshing.clear()
    },
    refreshing,
    batches,
    sharedBatches,
    counts,
    get waiting() {
      return waiting
    },
    get unknown() {
      return unknown.size
    },
    close() {
      cancelSweep()
      for (const guid of [...flights.keys()]) finish(guid, undefined)
    },
  }
}

/** As `Found` has it. */
function told(seconds: number): number | undefined {
  return seconds === 0 ? undefined : seconds
}

function knowsApplications(offer: Offer | undefined, ids: ReadonlySet<number>): boolean {
  return offer?.candidates.every(({ applicationId }) => ids.has(applicationId)) ?? true
}
