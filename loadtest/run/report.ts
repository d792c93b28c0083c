/** What a run found: a table for people, JSON for scripts, and a page that needs nothing but itself. */

import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import type { TopLevelSpec } from 'vega-lite'
import { drawChart } from '../chart/index.ts'
import { makeFolder } from '../folder.ts'
import { errorsOf, type Offered } from './offer.ts'
import { describeOpinion, type Opinion } from './opinion.ts'
import type { Arrival } from './plan.ts'
import type { ServerFigures } from './server.ts'

/** What must hold for the run to count as passed. */
export interface Gate {
  readonly what: string
  readonly value: number
  readonly atMost: number
}

export interface RunReport {
  readonly date: string
  readonly machine: string
  readonly url: string
  /** The profile, or the log that is replayed. */
  readonly what: string
  readonly seed: number
  readonly arrival: Exclude<Arrival, { kind: 'slices' }> | { readonly kind: 'replay'; readonly speed: number }
  readonly connections: number
  readonly duration: number
  readonly workers: number
  readonly offered: Offered
  readonly server: ServerFigures
  /** What else should be known. */
  readonly notes: readonly string[]
  readonly opinion?: Opinion
  readonly gates: readonly Gate[]
}

export function describeMachine(): string {
  return `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`
}

export function gateHolds({ value, atMost }: Gate): boolean {
  return value <= atMost
}

/** The figures, a line each, as `[name, value]`. */
export function tableOf({ offered, server, opinion, gates, notes }: RunReport): [string, string][] {
  const { latencies: ms, errors } = offered
  const kinds = Object.entries(errors).sort(([, one], [, other]) => other - one)
  return [
    ['answers', whole(offered.answered)],
    ['rate', `${whole(offered.rate)} a second`],
    ['p50', millis(ms.p50)],
    ['p90', millis(ms.p90)],
    ['p99', millis(ms.p99)],
    ['p99.9', millis(ms.p999)],
    ['max', millis(ms.max)],
    ['errors', whole(errorsOf(offered))],
    ...kinds.map(([kind, times]): [string, string] => [`  ${kind}`, whole(times)]),
    ...server.tiers
      .filter(({ checks }) => checks > 0)
      .map(({ tier, part, checks }): [string, string] => [`from ${tier}`, `${percent(part)} (${whole(checks)})`]),
    ['generator', `${percent(offered.generatorCpu)} of a processor`],
    ...server.processes.map(({ name, pid, cpu, residentMib }): [string, string] => [
      `${name} (${pid})`,
      `${percent(cpu)} of a processor, ${whole(residentMib)} MiB`,
    ]),
    ...(opinion === undefined ? [] : describeOpinion(opinion)),
    ...notes.map((note): [string, string] => ['note', note]),
    ...gates.map((gate): [string, string] => [
      gateHolds(gate) ? 'holds' : 'MISSED',
      `${gate.what}: ${number(gate.value)} (at most ${number(gate.atMost)})`,
    ]),
  ]
}

export function describeRun(report: RunReport): string {
  const rows = tableOf(report)
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}

/** Writes `report.html` and `report.json`; makes the folder. Returns the page's path. */
export async function writeReport(folder: string, report: RunReport): Promise<string> {
  makeFolder(folder)
  writeFileSync(join(folder, 'report.json'), `${JSON.stringify(report, null, 1)}\n`)
  const page = join(folder, 'report.html')
  writeFileSync(page, await pageOf(report))
  return page
}

async function pageOf(report: RunReport): Promise<string> {
  const { offered, server } = report
  const charts = [
    ['How long answers took', latencyChart(offered)],
    ['Answers and errors over time', throughputChart(offered)],
    ['Latency over time', latencyOverTime(offered)],
    ...(server.tiers.some(({ checks }) => checks > 0) ? [['Who answered', tierChart(server)] as const] : []),
  ] as const
  const figures = await Promise.all(
    charts.map(
      async ([title, spec]) => `<figure><figcaption>${escapeHtml(title)}</figcaption>${await drawChart(spec)}</figure>`,
    ),
  )
  const rows = tableOf(report).map(
    ([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  )
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>${escapeHtml(`${report.what}: ${whole(offered.rate)} a second`)}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse } th { font-weight: normal; text-align: left; padding-right: 2rem; color: #555; vertical-align: top; white-space: pre }
td { font-variant-numeric: tabular-nums } tr { border-bottom: 1px solid #eee }
figure { margin: 2rem 0 } figcaption { font-weight: 600 } svg { max-width: 100%; height: auto }
</style>
<h1>${escapeHtml(report.what)}</h1>
<p>${escapeHtml(sentenceOf(report))}</p>
<table>${rows.join('\n')}</table>
${figures.join('\n')}
<p>Where a rate was offered, a slow answer counts for all that its connection could not ask meanwhile too. The numbers are in report.json.</p>
</html>
`
}

function sentenceOf({ url, arrival, connections, duration, workers, seed, date, machine }: RunReport): string {
  const pace =
    arrival.kind === 'closed'
      ? 'as fast as they are answered'
      : arrival.kind === 'open'
        ? `${whole(arrival.rate)} a second${arrival.halvesEveryS === undefined ? '' : ` at first, half of it every ${arrival.halvesEveryS} s`}`
        : `at ${arrival.speed} times the log's own pace`
  const over =
    arrival.kind === 'replay'
      ? `at most ${connections} new connections every tenth of a second`
      : `${connections} connections`
  return `${url}, ${pace}, over ${over} for ${duration} s, by ${workers} generator${workers === 1 ? '' : 's'}, seed ${seed}. ${date}, ${machine}.`
}

const WIDTH = 760
const HEIGHT = 240

function latencyChart({ distribution }: Offered): TopLevelSpec {
  const values = distribution.filter(({ ms }) => ms > 0).map(({ part, ms }) => ({ nines: -Math.log10(1 - part), ms }))
  return {
    width: WIDTH,
    height: HEIGHT,
    data: { values },
    mark: { type: 'line', interpolate: 'step-after', color: '#0060df' },
    encoding: {
      x: {
        field: 'nines',
        type: 'quantitative',
        title: 'part of the requests',
        axis: {
          values: [0, 0.30103, 1, 2, 3, 4, 5],
          labelOverlap: false,
          labelExpr:
            "datum.value < 0.1 ? '0 %' : datum.value < 0.5 ? '50 %' : datum.value == 1 ? '90 %' : datum.value == 2 ? '99 %' : datum.value == 3 ? '99.9 %' : datum.value == 4 ? '99.99 %' : '99.999 %'",
        },
      },
      y: { field: 'ms', type: 'quantitative', scale: { type: 'log' }, title: 'milliseconds, or less' },
    },
  }
}

function throughputChart({ seconds }: Offered): TopLevelSpec {
  const values = seconds.flatMap(({ second, answered, errors }) => [
    { second, count: answered, what: 'answers' },
    { second, count: errors, what: 'errors' },
  ])
  return overTime(values, 'count', 'a second', ['answers', 'errors'], ['#0060df', '#d70022'])
}

function latencyOverTime({ seconds }: Offered): TopLevelSpec {
  const values = seconds.flatMap(({ second, p50, p99 }) => [
    { second, ms: p50, what: 'p50' },
    { second, ms: p99, what: 'p99' },
  ])
  return overTime(values, 'ms', 'milliseconds', ['p50', 'p99'], ['#0060df', '#b5007f'])
}

function overTime(
  values: readonly object[],
  field: string,
  title: string,
  domain: readonly string[],
  range: readonly string[],
): TopLevelSpec {
  return {
    width: WIDTH,
    height: HEIGHT,
    data: { values: [...values] },
    mark: { type: 'line' },
    encoding: {
      x: { field: 'second', type: 'quantitative', title: 'second', axis: { tickMinStep: 1 } },
      y: { field, type: 'quantitative', title },
      color: { field: 'what', type: 'nominal', title: null, scale: { domain: [...domain], range: [...range] } },
    },
  }
}

function tierChart({ tiers }: ServerFigures): TopLevelSpec {
  return {
    width: WIDTH,
    height: { step: 28 },
    data: { values: tiers.filter(({ checks }) => checks > 0) },
    mark: { type: 'bar', color: '#0060df' },
    encoding: {
      y: { field: 'tier', type: 'nominal', title: null, sort: null },
      x: { field: 'part', type: 'quantitative', title: 'of all checks', axis: { format: '%' } },
    },
  }
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function number(value: number): string {
  return String(Number(value.toPrecision(4)))
}

function millis(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(1)} ms`
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`
}
