/** `loadtest run` and `loadtest capacity`: load upon a server that runs already, here or elsewhere. */

import { once } from 'node:events'
import { request as requestPlainly } from 'node:http'
import { request as requestSecurely } from 'node:https'
import { availableParallelism } from 'node:os'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { Failure } from '../failure.ts'
import { makeFolder } from '../folder.ts'
import { decimal, wholeNumber } from '../options.ts'
import {
  generatedPopulation,
  type Population,
  type ProfileName,
  profileNames,
  profiles,
  readPopulation,
} from '../traffic/index.ts'
import { type CapacityReport, describeCapacity, findCapacity, GENERATOR_BUSY } from './capacity.ts'
import { errorsOf, isAnswer, type Offered, offer, type Second } from './offer.ts'
import { type Opinion, secondOpinion } from './opinion.ts'
import { type Arrival, clientsOf, type Plan } from './plan.ts'
import { readLog } from './replay.ts'
import { describeMachine, describeRun, type Gate, gateHolds, type RunReport, writeReport } from './report.ts'
import { watchServer } from './server.ts'

const CONNECTIONS = 64
/**
 * Of an open loop, at the most: one for each request of a second, where that is possible. What a connection has to ask in a second
 * it asks one after the other, so with several a slow answer delays the next ones.
 */
const OPEN_CONNECTIONS = 1_000
const DURATION_S = 30
const WARM_UP_S = 2
const TIMEOUT_S = 10
const WORKERS_MAX = 4
const SAID_EVERY_S = 5
/** For the one request that tells whether anybody is there. */
const ANSWER_S = 5

interface TrafficOptions {
  readonly url: string
  readonly profile: ProfileName
  readonly catalogue?: string
  readonly addons: number
  readonly seed: number
  readonly connections?: number
  readonly workers: number
  readonly timeout: number
  readonly json?: boolean
}

interface RunOptions extends TrafficOptions {
  readonly rate?: number
  readonly duration?: number
  readonly warmUp?: number
  readonly replay?: string
  readonly speed: number
  readonly metrics?: string
  readonly secondOpinion: boolean
  readonly report?: string
  readonly maxP99?: number
  readonly maxErrors?: number
}

interface CapacityOptions extends TrafficOptions {
  readonly maxP99: number
  readonly maxErrors: number
  readonly from: number
  readonly to: number
  readonly step: number
  readonly confirm: number
  readonly secondOpinion: boolean
}

const PROFILES_HELP = `
Profiles (docs/loadtest.md):
${profileNames.map((name) => `  ${name.padEnd(11)} ${profiles[name].what}`).join('\n')}

The add-ons are those of --catalogue, or else those that generate makes of the same --addons (and its seed 1): a server
that has others answers that it doesn't know them.`

const RUN_HELP = `${PROFILES_HELP}

An error is a connection that is refused or broken, a timeout, a 5xx, or a status other than the request must have.

Examples:
  npm run -s loadtest -- run --url http://127.0.0.1:8080 --duration 10
  npm run -s loadtest -- run --url http://127.0.0.1:8080 --profile cold --connections 256 --report report
  npm run -s loadtest -- run --url https://addons.example.org --rate 500 --max-p99 20 --max-errors 0
  npm run -s loadtest -- run --url http://127.0.0.1:8080 --replay access.log --speed 2`

const CAPACITY_HELP = `${PROFILES_HELP}

Rates are doubled until the bounds are missed, then narrowed down to 5 %, and the last one that held is confirmed.
Where wrk is installed it offers that one too.
Exit code 1 where not even --from holds.

Example:
  npm run -s loadtest -- capacity --url http://127.0.0.1:8080 --profile cold --max-p99 50`

const RUN_CONNECTIONS = `at once; without a rate each asks again once it has its answer (default: ${CONNECTIONS}; at a rate as many as that, up to ${OPEN_CONNECTIONS})`
const NO_SECOND_OPINION = "don't ask wrk too, where it is installed"
const CAPACITY_CONNECTIONS = `at once, at the most (default: ${OPEN_CONNECTIONS})`

export function addRunCommands(parent: Command): void {
  const replay = new Option(
    '--replay <log>',
    'ask what an access log has: of nginx, Varnish, or ours at LOG_LEVEL=trace',
  )
  withTraffic(parent.command('run').description('load a server, and say how it answers'), RUN_CONNECTIONS)
    .option('--rate <n>', 'requests a second, whether they are answered or not', wholeNumber(1, 1_000_000))
    .option('--duration <s>', `how long, in seconds (default: ${DURATION_S}; a log: all of it)`, decimal(1, 86_400))
    .option(
      '--warm-up <s>',
      `seconds before that, which do not count (default: ${WARM_UP_S}; daily-herd: 0)`,
      decimal(0, 3_600),
    )
    // What is asked, and when, is in the log.
    .addOption(replay.conflicts(['rate', 'profile', 'catalogue', 'warmUp']))
    .option('--speed <n>', 'so many times as fast as the log', decimal(0.01, 1_000), 1)
    .option('--metrics <url>', "the server's metrics; else http://127.0.0.1:9100/metrics is tried")
    .option('--no-second-opinion', NO_SECOND_OPINION)
    .option('--report <dir>', 'write report.html and report.json there')
    .option('--max-p99 <ms>', 'exit with 1 where the 99th percentile is above that', decimal(0, 600_000))
    .option('--max-errors <n>', 'exit with 1 where there are more errors', wholeNumber(0, 1_000_000_000))
    .addHelpText('after', RUN_HELP)
    .action(runCommand)
  withTraffic(parent.command('capacity').description('find the highest rate that a server holds'), CAPACITY_CONNECTIONS)
    .option('--max-p99 <ms>', 'the 99th percentile that must hold', decimal(0, 600_000), 20)
    .option('--max-errors <n>', 'the errors that may be', wholeNumber(0, 1_000_000_000), 0)
    .option('--from <n>', 'the rate to begin with', wholeNumber(1, 1_000_000), 500)
    .option('--to <n>', 'the highest rate to try', wholeNumber(1, 1_000_000), 200_000)
    .option('--step <s>', 'how long each rate is tried, in seconds', decimal(1, 3_600), 5)
    .option('--confirm <s>', 'how long the last one is confirmed, in seconds', decimal(1, 3_600), 15)
    .option('--no-second-opinion', NO_SECOND_OPINION)
    .addHelpText('after', CAPACITY_HELP)
    .action(capacityCommand)
}

function withTraffic(command: Command, connections: string): Command {
  return command
    .requiredOption('--url <url>', 'the server, as http://HOST:PORT (required)', serverUrl)
    .addOption(new Option('--profile <name>', 'who asks what').choices(profileNames).default('talk'))
    .option('--catalogue <file>', 'the add-ons that are asked for, in the import format')
    .option('--addons <n>', "without it: so many of the generator's", wholeNumber(1, 10_000_000), 1_000)
    .option('--seed <n>', 'of the clients', wholeNumber(0, 4_294_967_295), 1)
    .option('--connections <n>', connections, wholeNumber(1, 20_000))
    .option('--workers <n>', 'processes that make the load', wholeNumber(1, 64), defaultWorkers())
    .option('--timeout <s>', 'seconds until an answer is given up', decimal(1, 600), TIMEOUT_S)
    .option('--json', 'print the result as JSON')
}

async function runCommand(options: RunOptions): Promise<void> {
  // Not after all has been measured.
  if (options.report !== undefined) makeFolder(options.report)
  await mustAnswer(options.url)
  const { plan, what, arrival, notes } = await planOf(options)
  const watch = await watchServer(options.url, options.metrics)
  const progress = createProgress(plan.duration)
  const offered = await offer(plan, progress.second)
  progress.end()
  const server = await watch.end()
  const { opinion, trouble } = options.secondOpinion ? await askToo(plan, offered) : {}
  const gates: Gate[] = []
  if (options.maxP99 !== undefined) gates.push({ what: 'p99 ms', value: offered.latencies.p99, atMost: options.maxP99 })
  if (options.maxErrors !== undefined)
    gates.push({ what: 'errors', value: errorsOf(offered), atMost: options.maxErrors })
  if (gates.length > 0) gates.push(...gatesOfAnswers(plan, offered, options))
  const report: RunReport = {
    date: new Date().toISOString(),
    machine: describeMachine(),
    url: options.url,
    what,
    seed: options.seed,
    arrival,
    connections: plan.connections,
    duration: plan.duration,
    workers: plan.workers,
    offered,
    server,
    notes: [
      ...notes,
      ...(watch.blind === undefined ? [] : [watch.blind]),
      ...generatorNotes(plan, offered.generatorCpu, offered.rate),
      ...(offered.lasted < plan.duration - 1 && !isHerd(plan)
        ? [`it ended after ${Math.round(offered.lasted)} of ${Math.round(plan.duration)} s: the server was gone`]
        : []),
      ...(trouble === undefined ? [] : [trouble]),
    ],
    ...(opinion !== undefined && { opinion }),
    gates,
  }
  console.log(options.json ? JSON.stringify(report) : describeRun(report))
  if (options.report !== undefined) process.stderr.write(`${await writeReport(options.report, report)}\n`)
  const missed = gates.filter((gate) => !gateHolds(gate))
  if (missed.length > 0) throw new Failure(`missed: ${missed.map((gate) => gate.what).join(', ')}.`, undefined)
}

async function capacityCommand(options: CapacityOptions, command: Command): Promise<void> {
  if (options.to < options.from) command.error(`error: --to ${options.to} is below --from ${options.from}.`)
  await mustAnswer(options.url)
  const population = await populationOf(options)
  const {
    url,
    profile,
    seed,
    workers,
    timeout,
    connections = OPEN_CONNECTIONS,
    maxP99,
    maxErrors,
    from,
    to,
    step,
    confirm,
  } = options
  /** Clients that have asked already: what they left in a cache is asked for by chance alone, or once all add-ons were. */
  let first = 0
  const planAt = (rate: number, duration: number): Plan => {
    const plan: Plan = {
      url,
      source: { kind: 'profile', name: profile, population, seed, first },
      arrival: { kind: 'open', rate },
      connections: Math.min(connections, rate),
      duration,
      warmUp: WARM_UP_S,
      reconnects: profiles[profile].reconnects ?? false,
      timeout,
      workers: Math.min(workers, connections, rate),
    }
    first += clientsOf(rate, plan)
    return plan
  }
  const found = await findCapacity({
    from,
    to,
    step,
    confirm,
    bounds: { maxP99, maxErrors },
    progress: (line) => process.stderr.write(`${line}\n`),
    workers,
    offer: (rate, duration) => offer(planAt(rate, duration)),
  })
  const { opinion, trouble } =
    options.secondOpinion && found.rate > 0 ? await askToo(planAt(found.rate, confirm), found) : {}
  const notes = trouble === undefined ? [] : [trouble]
  if (opinion !== undefined && opinion.p99 > maxP99) notes.push(`wrk's p99 is above the bound of ${maxP99} ms`)
  if (profiles[profile].halvesEveryS !== undefined) notes.push('the rate was steady: nothing halved')
  const report: CapacityReport = {
    date: new Date().toISOString(),
    machine: describeMachine(),
    url,
    profile,
    maxP99,
    maxErrors,
    ...found,
    notes,
    ...(opinion !== undefined && { opinion }),
  }
  console.log(options.json ? JSON.stringify(report) : describeCapacity(report))
  if (report.rate === 0) throw new Failure(`not even ${from} a second hold.`, undefined)
}

/** Who has no answer has waited for longer than anybody: where more than these have none, the p99 is no number. */
const UNANSWERED_PART = 0.01

/** What has to hold for the other gates to say anything: a server that answered little has held nothing. */
function gatesOfAnswers(
  { duration }: Plan,
  { answered, errors }: Offered,
  { maxP99 }: Pick<RunOptions, 'maxP99'>,
): Gate[] {
  if (answered === 0) return [{ what: 'seconds without an answer', value: duration, atMost: 0 }]
  if (maxP99 === undefined) return []
  const unanswered = Object.entries(errors).reduce((sum, [kind, times]) => sum + (isAnswer(kind) ? 0 : times), 0)
  const part = unanswered / (answered + unanswered)
  return [{ what: 'part of the requests without an answer', value: part, atMost: UNANSWERED_PART }]
}

/** What wrk says of the same plan, or why it says nothing. */
async function askToo(
  plan: Plan,
  first: Pick<Offered, 'rate'>,
): Promise<{ readonly opinion?: Opinion | undefined; readonly trouble?: string }> {
  try {
    return { opinion: await secondOpinion(plan, first, (line) => process.stderr.write(`${line}\n`)) }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { trouble: `no second opinion: ${error.message.split('\n')[0]}` }
  }
}

interface Planned {
  readonly plan: Plan
  readonly what: string
  readonly arrival: RunReport['arrival']
  readonly notes: readonly string[]
}

async function planOf(options: RunOptions): Promise<Planned> {
  const { url, profile, seed, rate, replay, speed, workers, timeout, duration = DURATION_S } = options
  const common = { url, timeout }
  if (replay !== undefined) {
    const log = await readLog(replay, speed)
    const counts = options.duration === undefined ? log.counts : log.counts.slice(0, Math.ceil(duration * 10))
    return {
      plan: {
        ...common,
        source: { kind: 'paths', paths: log.paths },
        arrival: { kind: 'slices', counts },
        connections: options.connections ?? CONNECTIONS,
        workers: Math.min(workers, options.connections ?? CONNECTIONS),
        duration: counts.length / 10,
        warmUp: 0,
        reconnects: false,
      },
      what: `replay of ${replay}`,
      arrival: { kind: 'replay', speed },
      notes: log.passedOver > 0 ? [passedOverNote(log.passedOver)] : [],
    }
  }
  const { reconnects = false, halvesEveryS, ...model } = profiles[profile]
  const wanted = rate ?? (options.connections === undefined ? model.rate : undefined)
  const arrival: Exclude<Arrival, { kind: 'slices' }> =
    wanted === undefined
      ? { kind: 'closed' }
      : { kind: 'open', rate: wanted, ...(halvesEveryS !== undefined && { halvesEveryS }) }
  const population = await populationOf(options)
  const connections = options.connections ?? (wanted === undefined ? CONNECTIONS : Math.min(OPEN_CONNECTIONS, wanted))
  return {
    plan: {
      ...common,
      source: { kind: 'profile', name: profile, population, seed, first: 0 },
      arrival,
      connections,
      workers: Math.min(workers, connections, wanted ?? workers),
      duration,
      // The herd is at its largest in the first second.
      warmUp: options.warmUp ?? (halvesEveryS === undefined ? WARM_UP_S : 0),
      reconnects,
    },
    what: `profile ${profile}`,
    arrival,
    notes:
      halvesEveryS !== undefined && wanted === undefined
        ? [
            'so many connections ask as fast as they are answered: the herd comes with a --rate, or without --connections',
          ]
        : [],
  }
}

function passedOverNote(lines: number): string {
  const which = lines === 1 ? '1 line of the log has' : `${lines.toLocaleString('en-US')} lines of the log have`
  return `${which} no GET, or no time, and ${lines === 1 ? 'was' : 'were'} passed over`
}

async function populationOf({ catalogue, addons, seed, profile }: TrafficOptions): Promise<Population> {
  if (profile === 'garbage') return generatedPopulation(1, seed)
  return catalogue === undefined ? generatedPopulation(addons, GENERATED_SEED) : await readPopulation(catalogue)
}

/** That of `loadtest generate`, unless it is told another. */
const GENERATED_SEED = 1

/** Else thousands of errors would tell it. */
async function mustAnswer(url: string): Promise<void> {
  // fetch refuses some ports that a server may well have, and doesn't say so.
  const request = url.startsWith('https:') ? requestSecurely : requestPlainly
  // A certificate that isn't known doesn't matter here: autocannon doesn't ask for one.
  const asked = request(`${url}/__lbheartbeat__`, { rejectUnauthorized: false })
  const giveUp = setTimeout(() => asked.destroy(new Error(`not within ${ANSWER_S} s`)), ANSWER_S * 1_000)
  try {
    const [answer] = await once(asked.end(), 'response')
    answer.resume()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new Failure(`Nothing answers at ${url} (${code ?? message}). Is the server running?`, error)
  } finally {
    clearTimeout(giveUp)
    asked.destroy()
  }
}

/** Its clients become fewer until nobody is left. */
function isHerd({ arrival }: Plan): boolean {
  return arrival.kind === 'open' && arrival.halvesEveryS !== undefined
}

/** What the figures can't tell where the generator itself was at its limit. */
function generatorNotes(plan: Plan, cpu: number, rate: number): string[] {
  const notes = []
  if (cpu > plan.workers * GENERATOR_BUSY)
    notes.push('the generator was busy all the time: its limit may be what was measured')
  if (plan.arrival.kind === 'open' && plan.arrival.halvesEveryS === undefined && rate < plan.arrival.rate * 0.98) {
    notes.push(`${Math.round(rate)} a second were answered of ${plan.arrival.rate} that were to be offered`)
  }
  return notes
}

/** On a terminal a line that changes; else a line every five seconds. */
function createProgress(duration: number): { second(second: Second): void; end(): void } {
  const isTerminal = process.stderr.isTTY
  let failed = 0
  let seen = 0
  return {
    second({ answered, errors, p50, p99 }) {
      failed += errors
      seen++
      const line = `${seen} of ${Math.ceil(duration)} s: ${answered.toLocaleString('en-US')} a second, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${failed} errors`
      if (isTerminal) process.stderr.write(`\r\u001b[K${line}`)
      else if (seen % SAID_EVERY_S === 0) process.stderr.write(`${line}\n`)
    },
    end() {
      if (isTerminal) process.stderr.write('\r\u001b[K')
    },
  }
}

function defaultWorkers(): number {
  return Math.max(1, Math.min(WORKERS_MAX, availableParallelism() - 1))
}

function serverUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search !== '')
    throw new InvalidArgumentError('It must be like http://127.0.0.1:8080.')
  return url.origin
}
