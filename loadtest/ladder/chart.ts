/** The ladder as a picture: rates as bars on a logarithmic scale, the processor time of a check beside each; below, the talk's own. */

import type { TopLevelSpec } from 'vega-lite'
import { drawChart } from '../chart/index.ts'
import { TALK, talkFigures } from './history.ts'
import { type Step, whole } from './judge.ts'

export interface ChartOptions {
  readonly steps: readonly Step[]
  /** What stands below: machine, date. */
  readonly footnote: string
}

const WIDTH = 560
const STEP = 32
const MARKS: readonly number[] = [100, 1_000, 10_000, 100_000]
const COLOURS = { theirs: '#8b95ad', ours: '#3d63dd', limit: '#2a9d8f', talk: '#c9cfdd' } as const

export async function drawLadder({ steps, footnote }: ChartOptions): Promise<string> {
  const ladder = steps.map(({ number, name, rate, togetherUs }) => ({
    name: `${number}  ${name}`,
    rate,
    told: `${whole(rate)} a second, ${togetherUs < 100 ? togetherUs.toFixed(1) : whole(togetherUs)} µs`,
    colour: name === 'limit' ? COLOURS.limit : number >= 6 ? COLOURS.ours : COLOURS.theirs,
  }))
  const talk = talkFigures.map(({ what, rate }) => ({
    name: what,
    rate,
    told: `${whole(rate)} a second`,
    colour: COLOURS.talk,
  }))
  const highest = Math.max(...[...ladder, ...talk].map(({ rate }) => rate))
  // Room for what is told beside the longest bar.
  const domain = [100, highest * 12]
  const spec: TopLevelSpec = {
    title: {
      text: 'Update checks a second, and processor time of service and database a check',
      subtitle: [
        footnote,
        `Below, the figures of the talk (${TALK}), on its own hardware and data: history, no comparison.`,
      ],
      subtitleColor: '#44506b',
      offset: 12,
    },
    vconcat: [bars(ladder, domain), bars(talk, domain)],
    spacing: 28,
    resolve: { scale: { x: 'shared' } },
  }
  return `${await drawChart(spec)}\n`
}

type Panel = Extract<TopLevelSpec, { vconcat: unknown }>['vconcat'][number]

function bars(values: readonly object[], domain: readonly number[]): Panel {
  const y = { field: 'name', type: 'nominal', sort: null, title: null, axis: { domain: false, ticks: false } } as const
  const scale: { type: 'log'; domain: number[] } = { type: 'log', domain: [...domain] }
  const axis = { title: null, values: [...MARKS], format: ',d', domain: false }
  const x = {
    field: 'rate',
    type: 'quantitative',
    scale,
    axis,
  } as const
  return {
    width: WIDTH,
    height: { step: STEP },
    data: { values: [...values] },
    layer: [
      {
        mark: { type: 'bar', cornerRadiusEnd: 4 },
        encoding: {
          y,
          x,
          x2: { datum: domain[0] as number },
          color: { field: 'colour', type: 'nominal', scale: null },
        },
      },
      {
        mark: { type: 'text', align: 'left', dx: 8, fontSize: 12 },
        encoding: { y, x, text: { field: 'told', type: 'nominal' } },
      },
    ],
  }
}
