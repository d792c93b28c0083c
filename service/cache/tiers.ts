/**
 * The tiers together: what this worker holds, what it shares with others, what it keeps for a restart, and the feed that keeps all
 * of it true. An update check looks into `held`, as far as `standing` lets it, and fetches the rest.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Replicas, readStatement } from '../database/index.ts'
import { reasonOf, VersioncheckError } from '../errors.ts'
import { type NumberedChange, type ReloadReason, startTail, type Tail, Timeline } from '../feed/index.ts'
import {
  BATCHES_MAX,
  LAG_MS_MAX,
  LEARN_BACK_MS,
  LOAD_RETRY_MS,
  MEMCACHED_TTL_S,
  OLDER_KEPT_MS,
  SILENT_MS_MAX,
  STANDING_MS,
  START_WAIT_MS,
} from '../limits.ts'
import type { Log } from '../observe/index.ts'
import {
  cacheStatus,
  type Found,
  type Held,
  type KnownApplications,
  ReadyHeaders,
  type Standing,
} from '../update/index.ts'
import { createApplications } from './applications.ts'
import { type Archive, openArchive } from './archive.ts'
import { askReplicas } from './ask.ts'
import { generationsOf } from './kept-files.ts'
import { loadAll } from './load.ts'
import { createLookup, type Lookup } from './lookup.ts'
import { Memory } from './memory.ts'
import { restore } from './restore.ts'
import { openShared, type Shared } from './shared.ts'
import { createSource } from './source.ts'

export interface TiersOptions {
  readonly replicas: Replicas
  readonly siteUrl: string
  /** Add-ons held in memory at the most; 0: none. */
  readonly memoryEntries: number
  readonly batching: boolean
  readonly memcached:
    | { readonly servers: readonly string[]; readonly prefix: string; readonly secret: string }
    | undefined
  /** Where snapshots lie. */
  readonly snapshotFolder: string
  /** What is held is offered for so many seconds after a replica was last in touch. */
  readonly snapshotAgeMaxS: number
  readonly log: Log
}

export interface Tiers {
  readonly applications: KnownApplications
  readonly held: Held | undefined
  readonly standing: Standing
  fetch(guid: string, done: (found: Found | undefined) => void): void
  /** SHA-256 of the package of a public file; undefined: there is none. Rejects where nobody can tell. */
  findPackage(fileId: number): Promise<FoundPackage | undefined>
  /** For whoever watches. */
  readonly memory: Memory | undefined
  readonly lookup: Lookup
  readonly shared: Shared | undefined
  readonly tail: Tail
  readonly timeline: Timeline
  readonly archive: Archive | undefined
  /** Seconds since a replica that isn't behind was in touch; 0 while one is. */
  ageS(): number
  /** The same, or by how many seconds all replicas are late. */
  staleS(): number
  close(): Promise<void>
}

/** Add-ons whose read model can't be read that are remembered as told of. */
const UNREADABLE_MAX = 1_000

/** No add-on's guid. */
const NOBODY = ''

export interface FoundPackage {
  readonly digest: string
  /** Where this may be old: how it came about, as `Cache-Status` has it. */
  readonly staleStatus: string | undefined
  /** Bytes; undefined where only a database could tell. */
  readonly size: number | undefined
}

export async function openTiers(options: TiersOptions): Promise<Tiers> {
  const { replicas, siteUrl, memoryEntries, batching, memcached, snapshotFolder, snapshotAgeMaxS, log } = options
  const { generation, olderGenerations } = generationsOf(siteUrl)
  const timeline = new Timeline()
  const memory = memoryEntries === 0 ? undefined : new Memory({ entriesMax: memoryEntries })
  const closing = new AbortController()

  const restored = memory && (await restore({ folder: snapshotFolder, generation, memory, log }))
  if (restored !== undefined) {
    timeline.begin(restored.position)
    // What a journal knows beyond its last mark: neither memcached nor a late replica may undo it.
    for (const [guid, counter] of restored.changes) {
      timeline.noteChange(guid, counter)
      timeline.see(counter)
    }
  }
  let trueAt = restored?.trueAt ?? 0
  const openedAt = Date.now()
  let caughtUpAt = Number.NEGATIVE_INFINITY
  /** Every public add-on is held, unless one had to go since. */
  let complete: { readonly evictions: number } | undefined =
    restored?.isComplete && memory?.evictions === 0 ? { evictions: 0 } : undefined
  let loading: AbortController | undefined

  const applications = createApplications({
    replicas,
    timeline,
    known: restored?.applications,
    onChanged: (now, counter) => archive?.noteApplications(now, counter),
  })

  /** Add-ons that were told of: whoever asks for one again and again shall not fill the log. */
  const unreadable = new Set<string>()
  function onUnreadable(guid: string, reason: string): void {
    if (unreadable.has(guid)) return
    if (unreadable.size >= UNREADABLE_MAX) unreadable.clear()
    unreadable.add(guid)
    log.error(
      { guid, reason },
      'the read model of an add-on can not be read, so nothing is offered of it: catalog check',
    )
  }

  const shared = memcached && openShared({ ...memcached, timeline })
  const source = createSource(replicas, timeline, onUnreadable)
  const lookup = createLookup({
    source,
    timeline,
    memory,
    shared,
    batching,
    render: () => ({ siteUrl, applications: [...applications.byGuid.values()], generation }),
    ageS,
    lateS,
    isWithheld: () => standing.isWithheld,
    onRefreshed(refreshed) {
      archive?.noteRefreshed(refreshed)
    },
    onTrouble(error) {
      if (error !== undefined && !(error instanceof VersioncheckError)) {
        log.error({ err: error }, 'a replica could not answer')
      }
      tail.suspect()
    },
  })

  const freshHeaders = new ReadyHeaders(cacheStatus('memory'))
  const standing: Standing = {
    headers: freshHeaders,
    cacheStatus: cacheStatus('memory'),
    isStale: true,
    isWithheld: false,
    isComplete: false,
  }
  let staleForS = -1

  function isFresh(): boolean {
    return performance.now() - caughtUpAt < SILENT_MS_MAX
  }

  function ageS(): number {
    // Where nothing was kept, all that is held was read since the start.
    return isFresh() ? 0 : Math.max(1, Math.round((Date.now() - (trueAt || openedAt)) / 1_000))
  }

  /**
   * Where all replicas are late they are followed all the same, and it is said. While the feed is silent nobody knows; whoever
   * answers then is as far as what was seen.
   */
  function lateS(): number {
    const lateMs = isFresh() ? (tail.lagMs ?? 0) : 0
    return lateMs > LAG_MS_MAX ? Math.round(lateMs / 1_000) : 0
  }

  function staleS(): number {
    return ageS() || lateS()
  }

  function updateStanding(): void {
    const age = ageS()
    const stale = staleS()
    if (age === 0) trueAt = Date.now()
    standing.isStale = stale > 0
    standing.isWithheld = age > snapshotAgeMaxS
    standing.isComplete =
      age === 0 && complete !== undefined && complete.evictions === memory?.evictions && lookup.refreshing.size === 0
    if (stale === staleForS) return
    staleForS = stale
    standing.cacheStatus = cacheStatus('memory', stale === 0 ? undefined : stale)
    standing.headers = stale === 0 ? freshHeaders : new ReadyHeaders(standing.cacheStatus)
  }

  const archive = memory && openArchiveOrNot()
  function openArchiveOrNot(): Archive | undefined {
    try {
      return openArchive({
        folder: snapshotFolder,
        generation,
        olderGenerations,
        olderKeptMs: OLDER_KEPT_MS,
        memory: memory as Memory,
        timeline,
        state: () => ({
          isComplete: complete !== undefined && complete.evictions === memory?.evictions,
          pending: lookup.refreshing,
          applications: [...applications.byGuid.values()],
          trueAt: isFresh() ? Date.now() : trueAt,
        }),
        log,
      })
    } catch (error) {
      log.error({ folder: snapshotFolder, reason: reasonOf(error) }, 'nothing can be kept for a restart')
      return undefined
    }
  }

  function onChanges(changes: readonly NumberedChange[]): void {
    if (changes.some(({ kind }) => kind === 'application')) void applications.refresh()
    const changed = changes.flatMap(({ number, guid, oldGuid }) =>
      [guid, oldGuid].flatMap((each) => (each === null ? [] : [{ guid: each, counter: number }])),
    )
    archive?.noteChanged(changed)
    for (const { guid, counter } of changed) {
      lookup.forgetUnknown(guid)
      unreadable.delete(guid)
      if (memory === undefined) continue
      // What isn't held is wanted only where all is.
      const isWanted = memory.has(guid)
        ? memory.markOutdated(guid, counter)
        : complete !== undefined || loading !== undefined
      if (isWanted) lookup.refresh(guid)
    }
    updateStanding()
  }

  function onReload(reason: ReloadReason): void {
    complete = undefined
    lookup.forgetAll()
    if (reason === 'lost') memory?.clear()
    else memory?.markAllOutdated()
    archive?.beginAnew(reason)
    updateStanding()
    void applications.refresh()
    if (memory !== undefined) void load(memory)
  }

  async function load(into: Memory): Promise<void> {
    loading?.abort()
    const mine = new AbortController()
    loading = mine
    const signal = AbortSignal.any([mine.signal, closing.signal])
    const begunAt = performance.now()
    const since = timeline.seen
    const progress = { after: 0 }
    const { evictions } = into
    while (!signal.aborted) {
      try {
        const loaded = await loadAll({
          replicas,
          timeline,
          memory: into,
          render: () => ({ siteUrl, applications: [...applications.byGuid.values()] }),
          progress,
          since,
          onOutdated: lookup.refresh,
          onHeld: lookup.forgetUnknown,
          onUnreadable,
          signal,
        })
        if (signal.aborted) return
        if (loaded === 'all') complete = { evictions }
        log.debug({ addons: into.size, ms: Math.round(performance.now() - begunAt), loaded }, 'the catalogue was read')
        archive?.snapshotSoon()
        break
      } catch (error) {
        if (signal.aborted) return
        log.warn({ reason: reasonOf(error) }, 'the catalogue could not be read; trying again')
        await sleep(LOAD_RETRY_MS, undefined, { signal }).catch(() => {})
      }
    }
    if (loading === mine) loading = undefined
    updateStanding()
  }

  const tail = startTail({
    replicas,
    timeline,
    learnBackMs: shared === undefined ? LEARN_BACK_MS : MEMCACHED_TTL_S * 1_000,
    onChanges,
    onCaughtUp() {
      caughtUpAt = performance.now()
      archive?.noteCaughtUp()
      if (staleForS !== 0) updateStanding()
    },
    onReload,
    log,
  })
  const timer = setInterval(updateStanding, STANDING_MS)
  timer.unref()

  try {
    await applications.ready()
  } catch (error) {
    await close()
    throw error
  }
  if (restored !== undefined) {
    for (const guid of restored.pending) lookup.refresh(guid)
    void applications.refresh()
    // What was kept was not all, as when its worker ended while it was filled, or had less room than this one.
    if (memory !== undefined && complete === undefined && memory.size < memoryEntries) void load(memory)
  }
  // The first clients shall not wait for connections.
  const connected = Promise.allSettled(Array.from({ length: BATCHES_MAX }, () => source.ask([NOBODY])))
  // A moment for the feed: a worker that has something to serve should know at once how old it is.
  const isReady = () => staleS() === 0 && tail.hasLearnt
  for (const giveUpAt = performance.now() + START_WAIT_MS; performance.now() < giveUpAt && !isReady(); ) await sleep(10)
  await connected
  updateStanding()

  const packageStatement = readStatement('download')
  async function findPackage(fileId: number): Promise<FoundPackage | undefined> {
    let old: FoundPackage | undefined
    try {
      let asked = await askReplicas(replicas, timeline, packageStatement, [fileId])
      // Known to have changed while that was on its way: it may have been withdrawn.
      const { guid: owner } = asked.rows[0] as { guid: string | null }
      if (owner !== null && !asked.isBehind && timeline.mayHaveChangedSince(owner, asked.position.counter))
        asked = await askReplicas(replicas, timeline, packageStatement, [fileId])
      const { rows, position, isBehind } = asked
      const [row] = rows
      const digest = (row?.package as string | null) ?? undefined
      const found = digest && { digest, size: (row?.size as number | null) ?? undefined }
      const stale = isBehind ? Math.max(1, ageS()) : lateS()
      const answer = found && { ...found, staleStatus: stale > 0 ? cacheStatus('replica', stale) : undefined }
      if (!isBehind) return answer || undefined
      const guid = row?.guid as string
      // What is held of its add-on is newer, whether that has the file or not.
      const isSuperseded = () => memory?.hasCurrent(guid) || timeline.mayHaveChangedSince(guid, position.counter)
      if (answer && !isSuperseded()) old = answer
    } catch (error) {
      if (memory === undefined) throw error
    }
    // Nobody who is up to date can be asked. What may have been withdrawn since is not handed out.
    const known = await memory?.findPackage(fileId)
    const found = known && {
      digest: known.digest,
      size: undefined,
      staleStatus: cacheStatus('memory', Math.max(1, ageS())),
    }
    const usable = known?.isOutdated ? old : (found ?? old)
    if (usable === undefined || standing.isWithheld) {
      throw new VersioncheckError('database_unreachable', 'Nobody can tell whether this file is public.')
    }
    return usable
  }

  async function close(): Promise<void> {
    closing.abort()
    clearInterval(timer)
    loading?.abort()
    await tail.close()
    await archive?.close()
    lookup.close()
    shared?.close()
    applications.close()
  }

  return {
    applications,
    held: memory,
    standing,
    fetch: lookup.fetch,
    findPackage,
    memory,
    lookup,
    shared,
    tail,
    timeline,
    archive,
    ageS,
    staleS,
    close,
  }
}
