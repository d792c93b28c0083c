/** The ladder as a picture: rates as bars on a logarithmic scale, the processor time of a check beside each; below, the talk's own. */

import { scaleLog } from 'd3-scale'
import { TALK, talkFigures } from './history.ts'
import { type Step, whole } from './judge.ts'

export interface ChartOptions {
  readonly steps: readonly Step[]
  /** What stands below: machine, date. */
  readonly footnote: string
}

const WIDTH = 960
const LEFT = 170
const RIGHT = 250
const TOP = 92
const BAR = 24
const PITCH = 34
const GAP = 62
const COLOURS = { theirs: '#8b95ad', ours: '#3d63dd', limit: '#2a9d8f', talk: '#c9cfdd' } as const

export function drawChart({ steps, footnote }: ChartOptions): string {
  const rates = [...steps.map(({ rate }) => rate), ...talkFigures.map(({ rate }) => rate)]
  const x = scaleLog()
    .domain([Math.min(100, ...rates), Math.max(...rates)])
    .nice()
    .range([LEFT, WIDTH - RIGHT])
  const bar = (y: number, rate: number, colour: string) => {
    const start = x.range()[0] as number
    return `<rect x="${start}" y="${y}" width="${(x(rate) - start).toFixed(1)}" height="${BAR}" rx="4" fill="${colour}"/>`
  }
  const row = (y: number, name: string, rate: number, told: string, colour: string) => [
    text(LEFT - 12, y + 17, name, { anchor: 'end' }),
    bar(y, rate, colour),
    text(x(rate) + 8, y + 17, told, { onGrid: true }),
  ]

  const bottom = TOP + steps.length * PITCH
  const talkTop = bottom + GAP
  const talkBottom = talkTop + talkFigures.length * PITCH
  const height = talkBottom + 74
  const [low = 100, high = 100] = x.domain()
  const ticks = x.ticks().filter((tick) => tick >= low && tick <= high && Number.isInteger(Math.log10(tick)))
  const grid = ticks.flatMap((tick) => [
    `<path d="M${x(tick).toFixed(1)} ${TOP - 10}V${talkBottom}" stroke="#dfe3ee"/>`,
    text(x(tick), TOP - 18, whole(tick), { anchor: 'middle', small: true }),
  ])
  const ladder = steps.flatMap(({ number, name, rate, togetherUs }, index) =>
    row(
      TOP + index * PITCH,
      `${number}  ${name}`,
      rate,
      `${whole(rate)} a second, ${togetherUs < 100 ? togetherUs.toFixed(1) : whole(togetherUs)} µs`,
      name === 'limit' ? COLOURS.limit : number >= 6 ? COLOURS.ours : COLOURS.theirs,
    ),
  )
  const talk = talkFigures.flatMap(({ what, rate }, index) =>
    row(talkTop + index * PITCH, what, rate, `${whole(rate)} a second`, COLOURS.talk),
  )
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title text" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" font-size="15" fill="#1c2440">`,
    '<title id="title">The ladder: update checks a second</title>',
    `<desc id="text">${escapeXml(steps.map(({ name, rate }) => `${name}: ${whole(rate)}`).join(', '))}. The talk's own, long ago: ${talkFigures[0].rate} to ${whole(talkFigures.at(-1)?.rate ?? 0)}.</desc>`,
    `<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="16" fill="#ffffff" stroke="#dfe3ee"/>`,
    text(24, 36, 'Update checks a second, and processor time of service and database a check', { strong: true }),
    ...grid,
    ...ladder,
    text(24, talkTop - 16, `The talk's own figures, on its own hardware and data: history, no comparison`, {
      small: true,
    }),
    ...talk,
    text(24, talkBottom + 32, footnote, { small: true }),
    text(24, talkBottom + 52, `The talk: ${TALK}.`, { small: true }),
    '</svg>',
  ].join('\n')}\n`
}

interface Looks {
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly small?: boolean
  readonly strong?: boolean
  /** Lines pass behind it. */
  readonly onGrid?: boolean
}

function text(x: number, y: number, content: string, looks: Looks): string {
  const { anchor = 'start', small = false, strong = false, onGrid = false } = looks
  const attributes = [
    anchor === 'start' ? '' : ` text-anchor="${anchor}"`,
    small ? ' font-size="12.5" fill="#44506b"' : '',
    strong ? ' font-size="17" font-weight="600"' : '',
    onGrid ? ' stroke="#ffffff" stroke-width="4" paint-order="stroke"' : '',
  ]
  return `<text x="${Number(x.toFixed(1))}" y="${y}"${attributes.join('')}>${escapeXml(content)}</text>`
}

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
