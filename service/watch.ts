/** A worker's metrics: what its rooms count, read when somebody asks. Nothing here is on the path of a check. */

import { monitorEventLoopDelay, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Batcher, Tiers } from './cache/index.ts'
import type { Replicas } from './database/index.ts'
import { readLag } from './feed/index.ts'
import type { CheckCounts } from './update/index.ts'

export interface Watched {
  readonly replicas: Replicas
  readonly tiers: Tiers
  readonly counts: CheckCounts
}

/** Registers them. Returns what ends the watching. */
export function watchWorker(registry: Registry, { replicas, tiers, counts }: Watched): () => Promise<void> {
  const registers = [registry]

  /** A number that only rises, kept elsewhere. */
  const counter = (name: string, help: string, labels: string[], read: () => Iterable<[string[], number]>) =>
    new Counter({
      name: `versioncheck_${name}`,
      help,
      labelNames: labels,
      registers,
      collect() {
        this.reset()
        for (const [values, value] of read()) {
          this.inc(Object.fromEntries(labels.map((label, index) => [label, values[index] as string])), value)
        }
      },
    })
  const gauge = (name: string, help: string, labels: string[], read: () => Iterable<[string[], number | undefined]>) =>
    new Gauge({
      name: `versioncheck_${name}`,
      help,
      labelNames: labels,
      registers,
      collect() {
        this.reset()
        for (const [values, value] of read()) {
          if (value === undefined) continue
          this.set(Object.fromEntries(labels.map((label, index) => [label, values[index] as string])), value)
        }
      },
    })

  const { memory, shared, lookup, tail, timeline, archive } = tiers
  counter('checks_total', 'Checks by the tier that answered, or none', ['tier'], () => [
    [['memory'], counts.memory],
    [['memcached'], counts.memcached],
    [['replica'], counts.replica],
    [['none'], counts.unavailable],
    [['invalid'], counts.invalid],
  ])
  counter('checks_stale_total', 'Checks answered though nobody who is up to date could be asked', ['tier'], () => [
    [['memory'], counts.memoryStale],
    [['memcached'], counts.memcachedStale],
    [['replica'], counts.replicaStale],
  ])
  counter('tier_lookups_total', 'What a tier was asked for, and whether it had it', ['tier', 'result'], () => {
    const misses = counts.memcached + counts.replica + counts.unavailable
    const lookups: [string[], number][] = [
      [['memory', 'hit'], counts.memory],
      [['memory', 'miss'], misses],
    ]
    lookups.push([['replica', 'hit'], lookup.counts.hits], [['replica', 'miss'], lookup.counts.misses])
    if (shared !== undefined) {
      for (const result of ['hits', 'misses', 'outdated', 'forged'] as const) {
        lookups.push([['memcached', result.replace(/e?s$/, '')], shared.counts[result]])
      }
    }
    return lookups
  })
  gauge('tier_entries', 'Add-ons that are held', ['tier'], () => [[['memory'], memory?.size]])
  gauge('tier_bytes', 'Bytes that they take', ['tier'], () => [[['memory'], memory?.usedBytes]])
  gauge('tier_complete', '1 where every public add-on is held', ['tier'], () => [
    [['memory'], memory === undefined ? undefined : Number(tiers.standing.isComplete)],
  ])
  counter('tier_evictions_total', 'Add-ons that had to go for others', ['tier'], () => [
    [['memory'], memory?.evictions ?? 0],
  ])
  counter('tier_errors_total', 'Failed connections and missed deadlines', ['tier'], () => [
    [['memcached'], shared?.errors ?? 0],
  ])
  gauge('unknown_guids', 'Guids that are known to be unknown', [], () => [[[], lookup.unknown]])
  gauge('cold_waiting', 'Checks that wait for a replica or memcached', [], () => [[[], lookup.waiting]])
  gauge('refreshing', 'Add-ons that have changed and are not here yet', [], () => [[[], lookup.refreshing.size]])

  const watchBatches = (batcher: Batcher, prefix: string, question: string) => {
    const sizes = new Histogram({
      name: `versioncheck_${prefix}batch_size`,
      help: `Add-ons asked for in one ${question}`,
      buckets: [1, 2, 4, 8, 16, 32, 64, 128],
      registers,
    })
    const waits = new Histogram({
      name: `versioncheck_${prefix}batch_wait_seconds`,
      help: `How long the first add-on of a ${question} waited for it to be sent`,
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25],
      registers,
    })
    batcher.onBatch = (size, waitedMs) => {
      sizes.observe(size)
      if (waitedMs !== undefined) waits.observe(waitedMs / 1_000)
    }
  }
  const { batches, sharedBatches } = lookup
  watchBatches(batches, '', 'statement')
  if (sharedBatches !== undefined) watchBatches(sharedBatches, 'memcached_', 'question to memcached')

  const perReplica = <Value>(read: (index: number) => Value): [string[], Value][] =>
    replicas.statistics.map(({ name }, index) => [[name], read(index)])
  gauge('replica_in_flight', 'Statements that run or wait for a connection', ['replica'], () =>
    perReplica((index) => replicas.statistics[index]?.inFlight),
  )
  counter('replica_queries_total', 'Statements', ['replica'], () =>
    perReplica((index) => replicas.statistics[index]?.queries ?? 0),
  )
  counter('replica_errors_total', 'Statements without an answer', ['replica'], () =>
    perReplica((index) => replicas.statistics[index]?.errors ?? 0),
  )
  counter('replica_foreign_total', 'Answers that are not believed: of a timeline that was given up', ['replica'], () =>
    perReplica((index) => replicas.statistics[index]?.foreign ?? 0),
  )
  counter('feed_errors_total', 'Connections of the feed that could not be made, or broke off', ['replica'], () =>
    perReplica((index) => tail.errors[index] ?? 0),
  )
  gauge('replica_followed', '1 for the replica that is read and followed', ['replica'], () =>
    perReplica((index) => Number(tail.attached === index)),
  )
  new Gauge({
    name: 'versioncheck_replica_lag_seconds',
    help: 'By the last heartbeat that a replica has; absent where it does not answer',
    labelNames: ['replica'],
    registers,
    async collect() {
      this.reset()
      await Promise.all(
        replicas.statistics.map(async ({ name }, index) => {
          const ms = tail.attached === index ? tail.lagMs : await readLag(replicas, index)
          if (ms !== undefined) this.set({ replica: name }, ms / 1_000)
        }),
      )
    },
  })

  gauge('feed_position', 'Number of the last change that is known', [], () => [[[], timeline.position.counter]])
  gauge('feed_silent_seconds', 'Since a replica that is not behind was in touch; 0 while one is', [], () => [
    [[], tiers.ageS()],
  ])
  gauge('feed_behind', '1 where only replicas are left that are behind what was seen', [], () => [
    [[], Number(tail.isBehind)],
  ])
  const delay = new Histogram({
    name: 'versioncheck_feed_delay_seconds',
    help: 'From the commit of a change, by the clock of the primary, to when it was known here',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers,
  })
  tail.onDelay = (ms) => delay.observe(ms / 1_000)
  gauge('snapshot_age_seconds', 'Since the last one was written', [], () => [
    [[], archive?.snapshotAt === undefined ? undefined : (Date.now() - archive.snapshotAt) / 1_000],
  ])

  const pauses = new Histogram({
    name: 'versioncheck_gc_pause_seconds',
    help: 'Pauses of the garbage collector',
    labelNames: ['kind'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1],
    registers,
  })
  const observer = new PerformanceObserver((list) => {
    for (const { duration, detail } of list.getEntries() as NodeGCPerformanceEntry[]) {
      pauses.observe({ kind: gcKinds[detail.kind] ?? 'other' }, duration / 1_000)
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  const loop = monitorEventLoopDelay({ resolution: 10 })
  loop.enable()
  gauge('event_loop_delay_seconds', 'How late the event loop was since it was last asked', ['quantile'], () => {
    const read: [string[], number][] = [0.5, 0.99, 0.999].map((quantile) => [
      [String(quantile)],
      Math.max(0, loop.percentile(quantile * 100) / 1e9 - 0.01),
    ])
    loop.reset()
    return read
  })

  return async () => {
    observer.disconnect()
    loop.disable()
    batches.onBatch = undefined
    if (sharedBatches !== undefined) sharedBatches.onBatch = undefined
    tail.onDelay = undefined
  }
}

interface NodeGCPerformanceEntry extends PerformanceEntry {
  readonly detail: { readonly kind: number }
}

/** `perf_hooks.constants.NODE_PERFORMANCE_GC_…` */
const gcKinds: Readonly<Record<number, string>> = { 1: 'minor', 4: 'major', 8: 'incremental', 16: 'weak callbacks' }
