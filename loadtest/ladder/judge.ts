/** What a ladder says: its table, and whether what is expected of the rungs holds. */

import { median, ratioOf } from '../measure/compare.ts'
import type { Check } from '../measure/index.ts'
import { type Ladder, type Run, type RungName, rungs, usual } from './rungs.ts'

const MINUTES_MAX = 35

/** The medians of one rung. */
export interface Step {
  readonly number: number
  readonly name: RungName
  readonly rate: number
  /** Its rate, of that of rung 1: the median of the ratios of each round. */
  readonly timesOrm: number
  readonly serviceUs: number
  readonly databaseUs: number
  readonly togetherUs: number
  readonly p50: number
  readonly p99: number
}

const rate = (run: Run) => run.rate
const together = ({ serviceUs, databaseUs }: Run) => serviceUs + databaseUs

export function stepsOf({ runs }: Ladder): Step[] {
  return rungs.map(({ name }, number) => {
    const of = (read: (run: Run) => number) => median(runs[name].map(read))
    return {
      number,
      name,
      rate: of(rate),
      timesOrm: ratioOf(runs[name].map(rate), runs.orm.map(rate)).median,
      serviceUs: of(({ serviceUs }) => serviceUs),
      databaseUs: of(({ databaseUs }) => databaseUs),
      togetherUs: of(together),
      p50: of(({ p50 }) => p50),
      p99: of(({ p99 }) => p99),
    }
  })
}

/** What must hold. A ratio is the median of those of each round. Who asks for more than is usual waits for longer. */
export function judge({ runs, memcachedHits, memoryMisses, rounds, seconds, minutes }: Ladder): Check[] {
  const times = (one: RungName, other: RungName, read: (run: Run) => number) =>
    ratioOf(runs[one].map(read), runs[other].map(read)).median
  const errors = Object.values(runs)
    .flat()
    .reduce((sum, run) => sum + run.errors, 0)
  const isTimed = minutes !== undefined && rounds * seconds <= usual.rounds * usual.seconds
  return [
    { what: 'batched, of the rate of orm', value: times('batched', 'orm', rate), atLeast: 15 },
    { what: 'batched, of the rate of pooled', value: times('batched', 'pooled', rate), atLeast: 3.5 },
    {
      what: 'processor time of pooled, service and database, of that of batched',
      value: times('pooled', 'batched', together),
      atLeast: 5,
    },
    { what: 'memory, of the rate of limit', value: times('memory', 'limit', rate), atLeast: 0.85 },
    { what: 'processor time of limit, of that of memory', value: times('limit', 'memory', together), atLeast: 0.85 },
    { what: 'errors', value: errors, atMost: 0 },
    { what: "part of memcached's checks that memcached had", value: memcachedHits, atLeast: 0.9 },
    { what: "memory's checks that memory had not", value: memoryMisses, atMost: 0 },
    ...(isTimed ? [{ what: 'minutes that the ladder took', value: minutes, atMost: MINUTES_MAX }] : []),
  ]
}

export const columns = [
  'rung',
  'requests a second',
  'times rung 1',
  'service us',
  'database us',
  'together us',
  'p50 ms',
  'p99 ms',
] as const

export function rowsOf(ladder: Ladder): string[][] {
  return stepsOf(ladder).map(({ number, name, rate, timesOrm, serviceUs, databaseUs, togetherUs, p50, p99 }) => [
    `${number} ${name}`,
    whole(rate),
    timesOrm.toFixed(timesOrm < 10 ? 1 : 0),
    serviceUs.toFixed(1),
    databaseUs > 0 ? databaseUs.toFixed(1) : '',
    togetherUs.toFixed(1),
    p50.toFixed(2),
    p99.toFixed(2),
  ])
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
