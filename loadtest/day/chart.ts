/** The chart of growth: processor time and memory by add-ons, two panels of one SVG that needs nothing else. */

import { scaleLinear, scaleLog } from 'd3-scale'
import { line } from 'd3-shape'
import type { Size } from './growth.ts'

const WIDTH = 720
const PANEL = { width: 270, height: 190, top: 48, gap: 90, left: 60 }
const HEIGHT = PANEL.top + PANEL.height + 52

interface Panel {
  readonly title: string
  readonly left: number
  readonly valueOf: (size: Size) => number
  readonly digits: number
}

/** From no less than two sizes, the fewest add-ons first. */
export function drawGrowth(sizes: readonly Size[]): string {
  const panels: readonly Panel[] = [
    { title: 'CPU µs a check from memory', left: PANEL.left, valueOf: ({ cpuUs }) => cpuUs, digits: 1 },
    {
      title: 'memory of a worker, MiB',
      left: PANEL.left + PANEL.width + PANEL.gap,
      valueOf: ({ residentMib }) => residentMib,
      digits: 0,
    },
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">
<title>What a check from memory costs, and the memory of a worker, by add-ons in the catalogue</title>
<style>
  text { font: 12px system-ui, sans-serif; fill: #222 }
  .title { font-weight: 600; font-size: 13px }
  .grid { stroke: #ddd }
  .line { fill: none; stroke: #0060df; stroke-width: 2 }
  circle { fill: #0060df }
</style>
<rect width="100%" height="100%" fill="#fff"/>
${panels.map((panel) => drawPanel(panel, sizes)).join('\n')}
</svg>
`
}

function drawPanel({ title, left, valueOf: read, digits }: Panel, sizes: readonly Size[]): string {
  const { width, height, top } = PANEL
  const addons = sizes.map((size) => size.addons)
  const x = scaleLog()
    .domain([Math.min(...addons), Math.max(...addons)])
    .range([left, left + width])
  const y = scaleLinear()
    .domain([0, Math.max(...sizes.map(read)) * 1.15])
    .nice(5)
    .range([top + height, top])
  const path = line<Size>()
    .x((size) => x(size.addons))
    .y((size) => y(read(size)))
  const at = (value: number) => value.toFixed(1)
  return [
    `<text class="title" x="${left}" y="${top - 20}">${title}</text>`,
    ...y
      .ticks(5)
      .flatMap((tick) => [
        `<line class="grid" x1="${left}" x2="${left + width}" y1="${at(y(tick))}" y2="${at(y(tick))}"/>`,
        `<text x="${left - 8}" y="${at(y(tick) + 4)}" text-anchor="end">${tick.toLocaleString('en-US')}</text>`,
      ]),
    `<path class="line" d="${path(sizes)}"/>`,
    ...sizes.flatMap((size) => [
      `<circle cx="${at(x(size.addons))}" cy="${at(y(read(size)))}" r="3.5"/>`,
      `<text x="${at(x(size.addons))}" y="${at(y(read(size)) - 9)}" text-anchor="middle">${read(size).toFixed(digits)}</text>`,
      `<text x="${at(x(size.addons))}" y="${top + height + 18}" text-anchor="middle">${size.addons.toLocaleString('en-US')}</text>`,
    ]),
    `<text x="${left + width / 2}" y="${top + height + 38}" text-anchor="middle">add-ons in the catalogue</text>`,
  ].join('\n')
}
