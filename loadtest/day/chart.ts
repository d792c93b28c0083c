/** The chart of growth: processor time of a check and memory of a worker, by add-ons, side by side. */

import type { TopLevelSpec } from 'vega-lite'
import { drawChart } from '../chart/index.ts'
import type { Size } from './growth.ts'

const WIDTH = 320
const HEIGHT = 220
const COLOR = '#0060df'

export async function drawGrowth(sizes: readonly Size[]): Promise<string> {
  const spec: TopLevelSpec = {
    data: { values: sizes.map((size) => ({ ...size })) },
    hconcat: [
      panel(sizes, 'cpuUs', 'CPU µs a check from memory', '.1f'),
      panel(sizes, 'residentMib', 'memory of a worker, MiB', ',.0f'),
    ],
    spacing: 48,
  }
  return await drawChart(spec)
}

type Panel = Extract<TopLevelSpec, { hconcat: unknown }>['hconcat'][number]

/** From zero on: what grows little shall look so. */
function panel(sizes: readonly Size[], field: keyof Size, title: string, format: string): Panel {
  const x = {
    field: 'addons',
    type: 'quantitative',
    scale: { type: 'log', nice: false, padding: 24 },
    axis: {
      title: 'add-ons in the catalogue',
      format: '~s',
      values: sizes.map(({ addons }) => addons),
      labelOverlap: false,
      grid: false,
    },
  } as const
  const y = { field, type: 'quantitative', scale: { zero: true }, axis: { title, tickCount: 5 } } as const
  return {
    width: WIDTH,
    height: HEIGHT,
    layer: [
      { mark: { type: 'line', point: { color: COLOR, size: 50 }, color: COLOR }, encoding: { x, y } },
      { mark: { type: 'text', dy: -12 }, encoding: { x, y, text: { field, type: 'quantitative', format } } },
    ],
  }
}
