/** `loadtest run` and `loadtest capacity` as their users run them: figures, gates, reports. */

import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { generateAddons } from '../../loadtest/generate/index.ts'
import { findCapacity } from '../../loadtest/run/capacity.ts'
import { type Offered, offer } from '../../loadtest/run/offer.ts'
import { secondOpinion, warningOf } from '../../loadtest/run/opinion.ts'
import type { Plan } from '../../loadtest/run/plan.ts'
import { readLog } from '../../loadtest/run/replay.ts'
import type { RunReport } from '../../loadtest/run/report.ts'
import { areOfOneServer, portOf } from '../../loadtest/run/server.ts'
import { generatedPopulation } from '../../loadtest/traffic/index.ts'
import { freePort } from '../harness/ports.ts'
import { root, startServer } from '../harness/server.ts'
import { makeFolder, startStack } from '../harness/stack.ts'

async function loadtest(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [join(root, 'dist', 'loadtest', 'main.js'), ...args])
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  const code = await new Promise<number>((resolve) => child.once('close', resolve))
  return { code, stdout, stderr }
}

async function listen(t: Test, handler: RequestListener): Promise<string> {
  const server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const SHORT = ['--duration', '1', '--warm-up', '0', '--no-second-opinion', '--json']

t.test('a run tells what clients saw and what the server did; its page needs nothing but itself', async (t) => {
  const metricsPort = await freePort()
  const server = await startServer(t, { METRICS_PORT: String(metricsPort) })
  const folder = await makeFolder(t)
  const catalogue = join(folder, 'catalogue.jsonl')
  await writeFile(
    catalogue,
    [...generateAddons({ addons: 50, seed: 1 })].map((addon) => JSON.stringify(addon)).join('\n'),
  )
  const report = join(folder, 'report')
  const { code, stdout, stderr } = await loadtest(
    ...['run', '--url', server.url, '--catalogue', catalogue, '--rate', '200', '--duration', '3', '--json'],
    ...[
      '--metrics',
      `http://127.0.0.1:${metricsPort}/metrics`,
      '--report',
      report,
      '--max-errors',
      '0',
      '--max-p99',
      '5000.5',
    ],
  )
  t.equal(code, 0, stderr)
  const found = JSON.parse(stdout) as RunReport
  t.ok(found.offered.rate > 150 && found.offered.rate < 230, `${found.offered.rate} of 200 a second`)
  t.strictSame(found.offered.errors, {})
  t.ok(found.offered.latencies.p50 > 0 && found.offered.latencies.p50 <= found.offered.latencies.p99)
  t.ok(
    found.server.tiers.some(({ tier, checks }) => tier === 'memory' && checks > 0),
    'hits by tier',
  )
  const names = found.server.processes.map(({ name }) => name)
  t.ok(
    names.some((name) => name.startsWith('node main')),
    names.join(', '),
  )
  t.ok(names.includes('mariadbd primary') && names.includes('mariadbd replica'), names.join(', '))
  const { opinion } = found
  t.equal(opinion?.tool, 'wrk', 'at a rate too')
  t.ok(opinion && opinion.rate > 150 && opinion.rate < 250, `wrk: ${opinion?.rate} of 200 a second`)
  t.ok(opinion && opinion.p50 > 0 && opinion.p50 <= opinion.p99)
  t.strictSame(JSON.parse(readFileSync(join(report, 'report.json'), 'utf8')), found)

  const page = await openReport(t, report)
  t.equal(await page.locator('figure svg').count(), 4)
  t.match(await page.locator('table').textContent(), /p99\.9/)
  t.match(await page.locator('tr', { hasText: /^wrk/ }).textContent(), /\d a second, p50 [\d.]+ ms, p99 [\d.]+ ms/)
  const widths = await page
    .locator('figure svg')
    .evaluateAll((all) => all.map((one) => one.getBoundingClientRect().width))
  t.ok(
    widths.every((width) => width > 300),
    `charts are ${widths.map(Math.round)} wide`,
  )
})

/** Opens a report in Chromium: it must have no errors, and ask for nothing but itself. */
async function openReport(t: Test, folder: string): Promise<Page> {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  t.teardown(() => browser.close())
  const page = await browser.newPage()
  const troubles: string[] = []
  page.on('console', (message) => troubles.push(message.text()))
  page.on('pageerror', (error) => troubles.push(error.message))
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  const address = pathToFileURL(join(folder, 'report.html')).href
  await page.goto(address)
  t.strictSame(troubles, [])
  t.strictSame(
    asked.filter((url) => url !== address && !url.startsWith('data:')),
    [],
    'asks for nothing',
  )
  return page
}

t.test('pages of a closed loop, of a replay and of a herd say how they asked', async (t) => {
  const url = await listen(t, (_, res) => res.end())
  const folder = await makeFolder(t)
  const log = join(folder, 'access.log')
  const line = '192.0.2.1 - - [26/Nov/2026:13:55:10 +0000] "GET /update/?id=a HTTP/1.1" 200 1 "-" "-"'
  await writeFile(log, `${line}\n`.repeat(20))
  const run = async (name: string, said: RegExp, ...args: string[]) => {
    const report = join(folder, name)
    const { code, stderr } = await loadtest('run', '--url', url, ...args, '--no-second-opinion', '--report', report)
    t.equal(code, 0, stderr)
    const page = await openReport(t, report)
    t.match(await page.locator('p').first().textContent(), said)
    t.equal(await page.locator('figure svg').count(), 3, 'all charts but that of tiers')
  }
  const short = ['--duration', '1', '--warm-up', '0']
  await Promise.all([
    run('closed', /as fast as they are answered, over 2 connections/, '--connections', '2', ...short),
    run('replay', /the log's own pace, over at most 64 new connections every tenth of a second/, '--replay', log),
    run('herd', /4,000 a second at first, half of it every 10 s/, '--profile', 'daily-herd', ...short),
  ])
})

t.test('fewer connections than processes: there are as many processes as connections', async (t) => {
  const url = await listen(t, (_, res) => res.end())
  for (const arrival of [[], ['--rate', '20']]) {
    const args = ['run', '--url', url, '--connections', '1', '--workers', '3', ...arrival, ...SHORT]
    const { code, stdout, stderr } = await loadtest(...args)
    t.equal(code, 0, stderr)
    t.match(JSON.parse(stdout), { workers: 1, connections: 1 })
  }
})

t.test('the herd: a new connection for each client, and fewer of them from second to second', async (t) => {
  const perConnection: number[] = []
  const server = createServer((_, res) => res.end())
  server.on('connection', (socket) => {
    const index = perConnection.push(0) - 1
    socket.on('data', () => {
      perConnection[index] = (perConnection[index] ?? 0) + 1
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { seconds, errors } = await offer({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    source: { kind: 'profile', name: 'daily-herd', population: generatedPopulation(100, 1), seed: 1, first: 0 },
    arrival: { kind: 'open', rate: 800, halvesEveryS: 1 },
    connections: 100,
    duration: 4,
    warmUp: 0,
    reconnects: true,
    timeout: 5,
    workers: 1,
  })
  // Some of its checks are malformed, and this server knows nothing of that.
  t.strictSame(
    Object.keys(errors).filter((kind) => kind !== 'status 200'),
    [],
  )
  t.ok(Math.max(...perConnection) <= 8, `${Math.max(...perConnection)} requests over one connection`)
  t.ok(perConnection.length > 100, `${perConnection.length} connections`)
  const [first = 0, , third = 0, fourth = 0] = seconds.map(({ answered }) => answered)
  t.ok(third < first * 0.6 && fourth < first * 0.4, `${seconds.map(({ answered }) => answered)}`)
})

t.test('metrics are those of the server that is asked, or of nobody', async (t) => {
  const children = ['sleep', 'sleep', 'tail'].map((program) =>
    spawn(program, program === 'tail' ? ['-f', '/dev/null'] : ['60']),
  )
  t.teardown(() => {
    for (const child of children) child.kill()
  })
  const [one, other, proxy] = children.map(({ pid }) => pid)
  t.notOk(areOfOneServer(one, other), 'two that one shell has started')
  t.ok(areOfOneServer(one, proxy), 'one that stands before the other')
  t.ok(areOfOneServer(one, one))
  t.ok(areOfOneServer(one, undefined), 'nobody can tell')
})

t.test('what a run prints', async (t) => {
  const metricsPort = await freePort()
  const server = await startServer(t, { METRICS_PORT: String(metricsPort) })
  let seen = 0
  let failed = 0
  // Each tenth check fails on its way. The server is a child of this process, and so among those that are shown.
  const url = await listen(t, async (request, response) => {
    if (request.url !== '/__lbheartbeat__' && ++seen % 10 === 0) {
      failed++
      response.writeHead(503).end()
      return
    }
    const answer = await fetch(`${server.url}${request.url}`)
    response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()))
  })
  const { code, stdout, stderr } = await loadtest(
    ...['run', '--url', url, '--profile', 'cold', '--rate', '100', '--duration', '2', '--warm-up', '0'],
    ...['--no-second-opinion', '--metrics', `http://127.0.0.1:${metricsPort}/metrics`, '--max-errors', '1000'],
  )
  t.equal(code, 0, stderr)
  const figure = (line: RegExp) => Number(line.exec(stdout)?.[1]?.replace(',', ''))
  t.ok(figure(/^answers +([\d,]+)$/m) > 100, stdout)
  const rate = figure(/^rate +([\d,]+) a second$/m)
  t.ok(rate > 60 && rate < 120, `${rate} a second`)
  const latencies = ['p50', 'p90', 'p99', 'p99\\.9', 'max'].map((name) =>
    figure(new RegExp(`^${name} +([\\d.]+) ms$`, 'm')),
  )
  t.ok(latencies[0] && latencies[0] > 0, `${latencies}`)
  t.strictSame(
    latencies,
    latencies.toSorted((one, other) => one - other),
  )
  const errors = figure(/^errors +(\d+)$/m)
  t.ok(errors > 10 && errors <= failed, `${errors} of ${failed}`)
  t.equal(figure(/^ {2}status 503 +(\d+)$/m), errors, 'by kind')
  t.ok(figure(/^from memory +([\d.]+) % \([\d,]+\)$/m) > 0, 'hit ratio by tier')
  for (const name of ['node main\\.js', 'mariadbd primary', 'mariadbd replica']) {
    const [, cpu, mib] =
      new RegExp(`^${name} \\(\\d+\\) +([\\d.]+) % of a processor, ([\\d,]+) MiB$`, 'm').exec(stdout) ?? []
    t.ok(Number(cpu) >= 0 && Number(mib?.replace(',', '')) > 10, `${name}: ${cpu} %, ${mib} MiB`)
  }
  t.match(stdout, /^generator +[\d.]+ % of a processor$/m)
  t.match(stdout, /^holds +errors: \d+ \(at most 1000\)$/m)
  t.notMatch(stdout, /NaN|undefined|null/)
})

t.test('more than 15 % between two tools is told, whichever has reached more', async (t) => {
  for (const due of [undefined, 10_000]) {
    t.equal(warningOf({ autocannon: 1_000, wrk: 860, due }), undefined)
    t.equal(warningOf({ autocannon: 860, wrk: 1_000, due }), undefined)
    t.match(warningOf({ autocannon: 1_000, wrk: 840, due }), /differ by 16 %: the machine was not quiet/)
    t.match(warningOf({ autocannon: 840, wrk: 1_000, due }), /differ by 16 %: autocannon may be .* more --workers/)
  }
  t.equal(warningOf({ autocannon: 100, wrk: 80, due: 300 }), undefined, 'of so few arrivals that is chance')
  t.match(warningOf({ autocannon: 100, wrk: 70, due: 300 }), /30 %/, 'that is not')
  t.match(warningOf({ autocannon: 100, wrk: 0, due: 600 }), /100 %/)
  t.match(warningOf({ autocannon: 0, wrk: 80, due: 800 }), /100 %/)
})

t.test('where wrk can not ask the same that is told', async (t) => {
  const plan: Plan = {
    url: `http://127.0.0.1:${await freePort()}`,
    source: { kind: 'profile', name: 'daily-herd', population: generatedPopulation(10, 1), seed: 1, first: 0 },
    arrival: { kind: 'closed' },
    connections: 2,
    duration: 1,
    warmUp: 0,
    reconnects: false,
    timeout: 1,
    workers: 1,
  }
  const first = { rate: 100 } as Offered
  await t.rejects(secondOpinion({ ...plan, reconnects: true }, first), /wrk keeps its connections/)
  const halving = { kind: 'open', rate: 100, halvesEveryS: 10 } as const
  await t.rejects(secondOpinion({ ...plan, arrival: halving }, first), /can't let a rate halve/)
  for (const arrival of [plan.arrival, { kind: 'open', rate: 10 } as const])
    await t.rejects(secondOpinion({ ...plan, arrival }, first), { name: 'Failure', message: /^wrk.*connect/s })
})

t.test('gates decide the exit code', async (t) => {
  const { url } = await startStack(t)
  const run = (...gates: string[]) =>
    loadtest('run', '--url', url, '--connections', '2', '--profile', 'garbage', ...SHORT, ...gates)
  const [ungated, unbroken, missed] = await Promise.all([run(), run('--max-errors', '0'), run('--max-p99', '0.001')])
  t.equal(ungated.code, 0)
  t.equal(unbroken.code, 0, 'what is wrong is answered as it should')
  t.equal(missed.code, 1)
  t.match(missed.stderr, /missed: p99 ms/)
})

t.test('a p99 counts only where nearly all were answered', async (t) => {
  let seen = 0
  // Each third request has no answer, as where one of three servers hangs.
  const url = await listen(t, (req, res) => {
    if (req.url === '/__lbheartbeat__' || seen++ % 3 !== 0) res.end()
  })
  const args = ['--rate', '60', '--timeout', '1', ...SHORT, '--duration', '3', '--max-p99', '20']
  const { code, stdout, stderr } = await loadtest('run', '--url', url, ...args)
  t.equal(code, 1)
  t.match(stderr, /p99 ms, part of the requests without an answer/)
  const { offered } = JSON.parse(stdout) as RunReport
  t.ok((offered.errors.timeout ?? 0) > 10, JSON.stringify(offered.errors))
  t.ok(offered.latencies.p90 >= 900, `whoever gave up has waited, too: p90 ${offered.latencies.p90}`)
})

t.test('errors: a 5xx, an unexpected status, a connection closed unanswered, a timeout', async (t) => {
  const failing = await listen(t, (_, res) => res.writeHead(500).end())
  const run = async (url: string, ...more: string[]) => {
    const args = ['--url', url, '--connections', '2', ...SHORT, '--max-errors', '0', ...more]
    const { code, stdout, stderr } = await loadtest('run', ...args)
    if (stdout === '') throw new Error(stderr)
    return { code, errors: Object.keys((JSON.parse(stdout) as RunReport).offered.errors) }
  }
  const closing = await listen(t, (_, res) => res.writeHead(200, { connection: 'close' }).end('{}'))
  const lost = await listen(t, (_, res) => res.writeHead(404).end())
  let seen = 0
  const breaking = await listen(t, (req, res) => (seen++ < 1 ? res.end() : req.socket.destroy()))
  const silent = await listen(t, (req, res) => (req.url === '/__lbheartbeat__' ? res.end() : undefined))
  const [fromFailing, fromClosing, fromLost, closed, fromSilent] = await Promise.all([
    run(failing),
    run(closing, '--profile', 'cold'),
    run(lost),
    run(breaking),
    run(silent, '--timeout', '1', '--duration', '3'),
  ])
  t.strictSame(fromFailing, { code: 1, errors: ['status 500'] })
  t.strictSame(fromClosing, { code: 0, errors: [] }, 'a connection that an answer closes is no error')
  t.strictSame(fromLost, { code: 1, errors: ['status 404'] })
  t.equal(closed.code, 1)
  t.ok(
    closed.errors.some((kind) => /closed|ECONNRESET/.test(kind)),
    closed.errors.join(', '),
  )
  t.equal(fromSilent.code, 1)
  // What was asked a second before the end may be told as either.
  t.strictSame(
    fromSilent.errors.filter((kind) => kind !== 'no answer until the end'),
    ['timeout'],
  )
})

t.test(
  'a rate is offered whether it is answered or not: a pause counts for all that should have come in it',
  async (t) => {
    let pausedAt = 0
    const url = await listen(t, (_, res) => {
      const now = Date.now()
      if (pausedAt === 0) pausedAt = now + 1_000
      // Two seconds without any answer.
      const waitMs = pausedAt > 0 && now >= pausedAt && now < pausedAt + 2_000 ? pausedAt + 2_000 - now : 0
      setTimeout(() => res.end('{}'), waitMs)
    })
    const { stdout } = await loadtest(
      'run',
      '--url',
      url,
      '--rate',
      '200',
      '--connections',
      '20',
      ...SHORT,
      '--duration',
      '4',
    )
    const { latencies } = (JSON.parse(stdout) as RunReport).offered
    t.ok(latencies.p90 > 250, `p90 ${latencies.p90} ms: two seconds in five stood still`)
  },
)

t.test('a server that stands still until the end has not held', async (t) => {
  let seen = 0
  const url = await listen(t, (_, res) => (seen++ < 100 ? res.end('{}') : undefined))
  const gates = ['--max-p99', '500', '--max-errors', '0']
  const { code, stdout } = await loadtest(
    ...['run', '--url', url, '--rate', '50', '--profile', 'cold', ...SHORT, '--duration', '5', ...gates],
  )
  const { errors, latencies, seconds } = (JSON.parse(stdout) as RunReport).offered
  t.equal(code, 1)
  t.strictSame(Object.keys(errors), ['no answer until the end'])
  t.ok(latencies.p99 > 1_000, `p99 ${latencies.p99}`)
  t.ok(seconds.length <= 5, `${seconds.length} seconds`)
})

t.test('a server that goes away: as many errors as requests were due', async (t) => {
  const server = createServer((_, res) => res.end('{}'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  setTimeout(() => {
    server.close()
    server.closeAllConnections()
  }, 2_500)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { code, stdout } = await loadtest(
    ...['run', '--url', url, '--rate', '50', ...SHORT, '--duration', '4', '--max-errors', '0'],
  )
  const { errors } = (JSON.parse(stdout) as RunReport).offered
  t.equal(code, 1)
  t.ok((errors.ECONNREFUSED ?? 0) > 10 && (errors.ECONNREFUSED ?? 0) < 250, JSON.stringify(errors))
})

t.test('a log is asked again, all of it, in its time', async (t) => {
  const asked: string[] = []
  const url = await listen(t, (req, res) => {
    if (req.url !== '/__lbheartbeat__') asked.push(req.url as string)
    res.end()
  })
  const log = join(await makeFolder(t), 'access.log')
  const lines = Array.from(
    { length: 60 },
    (_, index) =>
      `192.0.2.1 - - [26/Nov/2026:13:55:${String(10 + (index % 3)).padStart(2, '0')} +0000] "GET /update/?id=${index} HTTP/1.1" 200 1 "-" "-"`,
  )
  await writeFile(log, [...lines, 'something else'].join('\n'))
  const begunAt = Date.now()
  const { code, stdout } = await loadtest('run', '--url', url, '--replay', log, '--workers', '2', '--json')
  t.equal(code, 0)
  const { offered, opinion, notes } = JSON.parse(stdout) as RunReport
  t.equal(offered.answered, 60)
  t.equal(opinion, undefined)
  t.ok(notes.includes('1 line of the log has no GET, or no time, and was passed over'), notes.join('; '))
  t.strictSame(
    notes.filter((note) => note.startsWith('no second opinion')),
    ["no second opinion: a log has a pace of its own, and wrk can't keep it"],
  )
  t.strictSame([...asked].sort(), lines.map((_, index) => `/update/?id=${index}`).sort())
  t.ok(Date.now() - begunAt > 2_500, 'three seconds took three')
})

t.test('our own log at level trace is one', async (t) => {
  const server = await startServer(t, { LOG_LEVEL: 'trace' })
  const targets = ['/update/?id=one@x&version=1', '/update/two@x.json', '/__lbheartbeat__']
  for (const target of targets) await (await fetch(`${server.url}${target}`)).arrayBuffer()
  await server.stop()
  const log = join(await makeFolder(t), 'own.log')
  await writeFile(log, server.output())
  t.strictSame((await readLog(log)).paths, targets)
})

t.test('a process is looked for at the port that a URL means', async (t) => {
  t.equal(portOf('http://127.0.0.1:8080'), 8080)
  t.equal(portOf('http://127.0.0.1'), 80)
  t.equal(portOf('https://127.0.0.1'), 443)
  t.equal(portOf('https://127.0.0.1:8443'), 8443)
})

t.test('what goes wrong is told', async (t) => {
  const nobody = await loadtest('run', '--url', `http://127.0.0.1:${await freePort()}`)
  t.equal(nobody.code, 1)
  t.match(nobody.stderr, /Nothing answers at .*ECONNREFUSED.*Is the server running/)
  const unusual = await loadtest('run', '--url', 'http://127.0.0.1:1')
  t.match(unusual.stderr, /Nothing answers at .*:1 \(ECONNREFUSED\)/, 'a port that fetch refuses')
  const misused = [
    ['run'],
    ['run', '--url', 'ftp://x'],
    ['run', '--url', 'http://x/path'],
    ['run', '--url', 'http://127.0.0.1:1', '--profile', 'other'],
    ['run', '--url', 'http://127.0.0.1:1', '--replay', 'access.log', '--rate', '10'],
  ]
  for (const { code } of await Promise.all(misused.map((args) => loadtest(...args)))) t.equal(code, 2)
  const folder = await makeFolder(t)
  await mkdir(join(folder, 'empty'))
  const url = await listen(t, (_, res) => res.end())
  await writeFile(join(folder, 'file'), '')
  const blocked = await loadtest('run', '--url', url, ...SHORT, '--report', join(folder, 'file'))
  t.equal(blocked.code, 1)
  t.match(blocked.stderr, /^loadtest: The folder .*file can't be made: there is a file in its place\.\n$/)
  const below = await loadtest('capacity', '--url', url, '--from', '1000', '--to', '10')
  t.equal(below.code, 2)
  t.match(below.stderr, /--to 10 is below --from 1000/)
  const missing = await loadtest('run', '--url', url, '--catalogue', join(folder, 'none'))
  t.equal(missing.code, 1)
  t.match(missing.stderr, /can't be read as a catalogue/)
  t.notOk(existsSync(join(folder, 'report.html')))
})

t.test('capacity finds what holds', async (t) => {
  const options = {
    from: 100,
    to: 100_000,
    step: 1,
    confirm: 1,
    bounds: { maxP99: 20, maxErrors: 0 },
    workers: 1,
    progress: () => {},
  }
  const server = (limit: number) => async (rate: number) => ({
    rate: Math.min(rate, limit),
    latencies: { p50: 1, p90: 1, p99: rate > limit ? 500 : 2, p999: 2, max: 2 },
    errors: {},
    generatorCpu: rate > 50_000 ? 1 : 0.1,
  })
  const { rate, limit } = await findCapacity({ ...options, offer: server(7_000) })
  t.ok(rate <= 7_000 && rate > 6_600, `${rate} of 7,000`)
  t.equal(limit, 'p99 above 20 ms')
  t.equal((await findCapacity({ ...options, offer: server(10) })).rate, 0)
  t.equal((await findCapacity({ ...options, from: 5, offer: server(7) })).rate, 7, 'a handful')
  t.match((await findCapacity({ ...options, offer: server(90_000) })).limit, /the generator was busy/)
  t.strictSame(await findCapacity({ ...options, offer: server(1_000_000) }), {
    rate: 100_000,
    p99: 2,
    limit: undefined,
  })

  const failing = async (rate: number) => ({ ...(await server(1e6)(rate)), errors: rate > 3_000 ? { timeout: 1 } : {} })
  const bounded = await findCapacity({ ...options, offer: failing })
  t.ok(bounded.rate <= 3_000 && bounded.rate > 2_800, `${bounded.rate} of 3,000`)
  t.equal(bounded.limit, '1 errors')
  const tired = async (rate: number, seconds: number) => await server(seconds === 1 ? 7_000 : 6_000)(rate)
  const confirmed = await findCapacity({ ...options, confirm: 5, offer: tired })
  t.ok(confirmed.rate <= 6_000 && confirmed.rate > 5_500, `${confirmed.rate} of 6,000, for as long as it is confirmed`)

  const asked: string[] = []
  const listener = await listen(t, (req, res) => {
    if (req.url !== '/__lbheartbeat__')
      asked.push(new URL(req.url as string, 'http://x').searchParams.get('id') as string)
    res.end()
  })
  const [{ url }, other] = await Promise.all([startStack(t), listen(t, (_, res) => res.end())])
  const at = (rate: string) => ['--from', rate, '--to', rate, '--step', '1', '--confirm', '1']
  const capacity = (of: string, rate: string, ...more: string[]) =>
    loadtest('capacity', '--url', of, ...at(rate), '--max-p99', '2000', ...more)
  // One after the other: a rate is held where 98 % of one second are.
  const steady = await capacity(url, '100', '--profile', 'warm')
  const cold = await capacity(listener, '50', '--profile', 'cold')
  const [alone, none] = await Promise.all([
    capacity(url, '50', '--profile', 'warm', '--no-second-opinion'),
    capacity(other, '50', '--max-p99', '0'),
  ])
  t.equal(steady.code, 0, steady.stderr)
  t.match(steady.stdout, /^100 requests a second/)
  t.match(steady.stdout, /^wrk: \d+ a second, p50/m, 'a second opinion')
  t.match(steady.stdout, /^\d+ × .* GiB, Node v/m, 'the machine')
  t.notMatch(alone.stdout, /wrk/)
  t.equal(cold.code, 0, cold.stderr)
  t.ok(asked.length > 250, `${asked.length} requests`)
  t.equal(new Set(asked).size, asked.length, 'cold to the end, also of the second opinion')
  t.equal(none.code, 1)
  t.match(none.stdout, /^no rate held/)
  t.match(none.stderr, /not even 50 a second hold/)
})
