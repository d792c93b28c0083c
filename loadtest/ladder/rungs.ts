/** The rungs, from the lowest to the highest. Each has the number of its place. */

export const rungs = [
  { name: 'php', what: 'one PHP script with one query, under php-fpm and nginx' },
  { name: 'orm', what: "a web framework with an ORM, lazily loading what each check needs (the talk's v1)" },
  { name: 'orm-eager', what: 'the same with as few queries as the ORM can (v2)' },
  { name: 'raw-sql', what: 'the framework with one hand-written join (v3)' },
  { name: 'bare', what: 'no framework, one join, a connection per request (v4)' },
  { name: 'pooled', what: "pooled connections, the join over the catalogue's own tables, one a request (v5)" },
  { name: 'batched', what: 'ours, cold: what is asked together shares a statement over the read model' },
  { name: 'memcached', what: 'ours, from the second tier' },
  { name: 'memory', what: 'ours, warm' },
  { name: 'limit', what: 'the HTTP library alone, sending the same bytes' },
] as const

export type RungName = (typeof rungs)[number]['name']

/** Asked for each add-on in turn; the others are asked for popular ones. */
export const coldRungs = rungs.slice(0, 8).map(({ name }) => name)

/** One run of one rung. */
export interface Run {
  readonly rate: number
  /** Microseconds of processor time a check: of all processes that answer, and of what they ask: the replica, memcached. */
  readonly serviceUs: number
  readonly databaseUs: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly errors: number
}

/** What was measured, run by run. */
export interface Ladder {
  readonly addons: number
  readonly connections: number
  readonly rounds: number
  readonly seconds: number
  readonly runs: Readonly<Record<RungName, readonly Run[]>>
  /** Of the checks that the rung `memcached` answered, how many came from there; of those of `memory`, how many didn't. */
  readonly memcachedHits: number
  readonly memoryMisses: number
  /** That all of it took, but generating and loading the catalogue; absent in what was kept before it was noted. */
  readonly minutes?: number
}

/** How often each rung is asked, and for how long, unless it is told otherwise. */
export const usual = { rounds: 5, seconds: 10 } as const
