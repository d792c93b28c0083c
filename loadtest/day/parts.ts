/** The parts of the day, in the order they are run and shown. */

import type { Report } from '../measure/index.ts'
import { runConnections, runTls } from './connections.ts'
import { runDownloads } from './downloads.ts'
import { runGrowth } from './growth.ts'
import { runHold } from './hold.ts'
import { runMix } from './mix.ts'
import type { DayRun } from './run.ts'

export const parts = {
  hold: { what: "the day's rate, held in an open loop", run: runHold },
  connections: { what: 'a new connection for every profile', run: runConnections },
  tls: { what: 'the same over TLS 1.2', run: runTls },
  mix: { what: 'one check in five misses memory', run: runMix },
  downloads: { what: 'gigabits a second a core, at flat memory', run: runDownloads },
  growth: { what: 'cost of a check, and memory, by the size of the catalogue', run: runGrowth },
} as const satisfies Readonly<Record<string, { readonly what: string; readonly run: (day: DayRun) => Promise<Report> }>>

export type PartName = keyof typeof parts

export const partNames = Object.keys(parts) as PartName[]
