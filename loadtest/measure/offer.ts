/**
 * wrk at a rate that is held whatever the server does: an open loop. Arrivals are drawn beforehand, at exponential gaps (as those of
 * many independent clients are); each connection that is free takes the next one and waits for it. As long as a connection is free
 * no answer delays a request, and what comes late all the same is counted. At the end nothing is sent for a while, so that whatever
 * was sent can be answered: what isn't is an error. (wrk itself counts a timeout only when the late answer comes.)
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
  /** That was reached while requests were sent. */
  readonly rate: number
  /** Milliseconds from a request to its answer. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  /** Milliseconds by which the generator itself was late, beyond one; the 99th percentile. */
  readonly lateP99: number
  /** Answers of 4xx; which of them were wrong is among the errors. */
  readonly refused: number
  /** Answers that nobody expected, requests that nobody answered, broken connections, and answers that took more than 2 s. */
  readonly errors: number
}

/** How often, by status. */
export type Statuses = Readonly<Record<string, number>>

/**
 * More answers of a status than requests that expect it. wrk doesn't tell which request an answer is for; but were one answered with
 * another status than its own, that one has too many. What this can't see is an exchange: a 200 that was answered 400 and a 400 that
 * was answered 200 cancel out.
 */
export function unexpectedOf(sent: Statuses, answered: Statuses): number {
  return Object.entries(answered).reduce((sum, [status, count]) => sum + Math.max(0, count - (sent[status] ?? 0)), 0)
}

/** What went wrong, each once. A request whose connection broke is one that nobody answered, too. */
export function errorsOf({ sent, answered, broken, others }: Counts): number {
  const unanswered = sumOf(sent) - sumOf(answered)
  return others + Math.max(broken, unanswered) + unexpectedOf(sent, answered)
}

interface Counts {
  readonly sent: Statuses
  readonly answered: Statuses
  /** Connections that broke while they were read or written. */
  readonly broken: number
  /** Those that were not made, and answers that came too late. */
  readonly others: number
}

function sumOf(counts: Statuses): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

function refusedOf(answered: Statuses): number {
  return Object.entries(answered).reduce((sum, [status, count]) => sum + (/^4/.test(status) ? count : 0), 0)
}

/** Some 11 ms of arrivals at 23,148 a second: so long may all answers take until requests are late. */
const CONNECTIONS = 256
const LATE_MS_MAX = 1_000
/** At the end of a run, in which nothing is sent: many times what an answer takes where anything is held. */
export const QUIET_S = 0.25

const script = (requests: string, seconds: number) => `
dofile("${requests}")
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } time; int clock_gettime(int, time *);")
local clock = ffi.new("time")
local function now()
  ffi.C.clock_gettime(1, clock)
  return tonumber(clock.s) * 1e3 + tonumber(clock.ns) * 1e-6
end

local first, ask = init, request
local gap, due, quietAt
-- For how long requests are sent, in milliseconds.
sending = 0
local arrivals, head, tail = {}, 1, 0
-- Counts, by milliseconds.
late = {}
-- Counts, by status.
sent, answered = {}, {}
init = function(args)
  first(args)
  gap = 1000 / tonumber(args[2])
  math.randomseed(tonumber(args[1]) + 1)
  for ms = 0, ${LATE_MS_MAX} do late[ms] = 0 end
end
delay = function()
  local at = now()
  if due == nil then
    due = at
    sending = quietAt - at
  end
  due = due - math.log(1 - math.random()) * gap
  -- Until after the end.
  if math.max(due, at) > quietAt then return ${seconds * 1_000} end
  tail = tail + 1
  arrivals[tail] = due
  return math.max(0, math.floor(due - at + 0.5))
end
request = function()
  local text = ask()
  -- wrk asks for one more right before it starts, to look at it.
  if quietAt == nil then
    quietAt = now() + ${(seconds - QUIET_S) * 1_000}
    return text
  end
  sent[expected] = (sent[expected] or 0) + 1
  -- A connection that broke asks again at once, without a delay.
  if head <= tail then
    local ms = math.max(0, math.min(${LATE_MS_MAX}, math.floor(now() - arrivals[head])))
    late[ms] = late[ms] + 1
    arrivals[head] = nil
    head = head + 1
  end
  return text
end
response = function(status)
  answered[status] = (answered[status] or 0) + 1
end

local function object(counts)
  local fields = {}
  for status, count in pairs(counts) do fields[#fields + 1] = string.format('"%d":%d', status, count) end
  return "{" .. table.concat(fields, ",") .. "}"
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
    'RESULT {"requests":%d,"us":%d,"p50":%d,"p99":%d,"p999":%d,"max":%d,"lateP99":%d,"broken":%d,"others":%d,"sent":%s,"answered":%s}\\n',
    summary.requests, thread:get("sending") * 1e3, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    latency.max, lateP99, e.read + e.write, e.connect + e.timeout,
    object(thread:get("sent")), object(thread:get("answered"))))
end
`

/** By the script; times in microseconds, but that of `lateP99`. */
interface Told extends Counts, Record<'requests' | 'us' | 'p50' | 'p99' | 'p999' | 'max' | 'lateP99', number> {}

let offset = 0
let offers = 0

/** Each run goes on in the list where the last one stopped. */
export async function offer(options: OfferOptions): Promise<Offered> {
  const { url, requests, rate, seconds, connections = CONNECTIONS, processors, environment = {} } = options
  // Of its own: several may be under way.
  const path = join(dirname(requests.script), `offer-${++offers}.lua`)
  writeFileSync(path, script(requests.script, seconds))
  const args = ['wrk', `-c${connections}`, '-t1', `-d${seconds}s`, '-s', path, url, '--', String(offset), String(rate)]
  const [program, ...rest] = onProcessors(processors, args)
  const running = promisify(execFile)(program, rest, { env: { ...process.env, ...environment } })
  endWithUs(running.child)
  const { stdout } = await running
  const text = /^RESULT (.*)$/m.exec(stdout)?.[1]
  const found = text === undefined ? undefined : (JSON.parse(text) as Told)
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
    refused: refusedOf(found.answered),
    errors: errorsOf(found),
  }
}
