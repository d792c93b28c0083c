/**
 * wrk at a rate that is held whatever the server does: an open loop. Arrivals are drawn beforehand, at exponential gaps (as those of
 * many independent clients are); each connection that is free takes the next one and waits for it. As long as a connection is free
 * no answer delays a request, and what comes late all the same is counted.
 *
 * wrk waits whole milliseconds: at 23,148 a second some 23 requests go out together, which is harder on a server than single ones,
 * and alike for all that are compared. autocannon takes three to four times the processor time a request, more than one core has
 * beside a server that is to be measured.
 */

import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Failure } from '../failure.ts'
import { endWithUs, onProcessors } from './processes.ts'
import type { RequestFile } from './wrk.ts'

export interface OfferOptions {
  readonly url: string
  readonly requests: RequestFile
  /** A second. */
  readonly rate: number
  readonly seconds: number
  /** So many requests may be under way; absent: 256. */
  readonly connections?: number
  /** The processors it keeps to; absent: any. */
  readonly processors?: string
  /** What else its environment says. */
  readonly environment?: Readonly<Record<string, string>>
}

export interface Offered {
  readonly requests: number
  /** That was reached. */
  readonly rate: number
  /** Milliseconds from a request to its answer. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  /** Milliseconds by which the generator itself was late, beyond one; the 99th percentile. */
  readonly lateP99: number
  /** Answers other than 2xx and 3xx, broken connections, and answers that took more than 2 s. */
  readonly errors: number
}

/** Some 11 ms of arrivals at 23,148 a second: so long may all answers take until requests are late. */
const CONNECTIONS = 256
const LATE_MS_MAX = 1_000

const script = (requests: string) => `
dofile("${requests}")
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } time; int clock_gettime(int, time *);")
local clock = ffi.new("time")
local function now()
  ffi.C.clock_gettime(1, clock)
  return tonumber(clock.s) * 1e3 + tonumber(clock.ns) * 1e-6
end

local first, ask = init, request
local gap, due
local arrivals, head, tail = {}, 1, 0
-- Counts, by milliseconds.
late = {}
init = function(args)
  first(args)
  gap = 1000 / tonumber(args[2])
  math.randomseed(tonumber(args[1]) + 1)
  for ms = 0, ${LATE_MS_MAX} do late[ms] = 0 end
end
delay = function()
  local at = now()
  due = (due or at) - math.log(1 - math.random()) * gap
  tail = tail + 1
  arrivals[tail] = due
  return math.max(0, math.floor(due - at + 0.5))
end
request = function()
  if head <= tail then
    local ms = math.max(0, math.min(${LATE_MS_MAX}, math.floor(now() - arrivals[head])))
    late[ms] = late[ms] + 1
    arrivals[head] = nil
    head = head + 1
  end
  return ask()
end

local thread
setup = function(one) thread = one end
done = function(summary, latency)
  local counts, sum, upTo, lateP99 = thread:get("late"), 0, 0, 0
  for ms = 0, ${LATE_MS_MAX} do sum = sum + counts[ms] end
  for ms = 0, ${LATE_MS_MAX} do
    if upTo < sum * 0.99 then lateP99 = ms end
    upTo = upTo + counts[ms]
  end
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"us":%d,"p50":%d,"p99":%d,"p999":%d,"max":%d,"lateP99":%d,"errors":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    latency.max, lateP99, e.connect + e.read + e.write + e.status + e.timeout))
end
`

let offset = 0
let offers = 0

/** Each run goes on in the list where the last one stopped. */
export async function offer(options: OfferOptions): Promise<Offered> {
  const { url, requests, rate, seconds, connections = CONNECTIONS, processors, environment = {} } = options
  // Of its own: several may be under way.
  const path = join(dirname(requests.script), `offer-${++offers}.lua`)
  writeFileSync(path, script(requests.script))
  const args = ['wrk', `-c${connections}`, '-t1', `-d${seconds}s`, '-s', path, url, '--', String(offset), String(rate)]
  const [program, ...rest] = onProcessors(processors, args)
  const running = promisify(execFile)(program, rest, { env: { ...process.env, ...environment } })
  endWithUs(running.child)
  const { stdout } = await running
  const text = /^RESULT (.*)$/m.exec(stdout)?.[1]
  const found = text === undefined ? undefined : (JSON.parse(text) as Record<keyof Offered | 'us', number>)
  if (found === undefined || !(found.requests > 0))
    throw new Failure(`wrk got no answer from ${url}:\n${stdout}`, undefined)
  offset += found.requests
  return {
    requests: found.requests,
    rate: found.requests / (found.us / 1e6),
    p50: found.p50 / 1_000,
    p99: found.p99 / 1_000,
    p999: found.p999 / 1_000,
    max: found.max / 1_000,
    lateP99: Math.max(0, found.lateP99 - 1),
    errors: found.errors,
  }
}
