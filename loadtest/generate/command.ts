/** `loadtest generate`: the catalogue as JSON Lines on standard output, at the pace of whoever reads it. */

import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Presets, SingleBar } from 'cli-progress'
import type { Command } from 'commander'
import { Failure } from '../failure.ts'
import { wholeNumber } from '../options.ts'
import { ADDONS_MAX, type GenerateOptions, generateAddons, SEED_MAX } from './addons.ts'

const ADDONS = 1_000
const SEED = 1
/** Written at once; larger ones save no time. */
const CHUNK_BYTES = 64 * 1024

const HELP = `
The same numbers give the same catalogue, byte for byte, and the first lines of a larger one are those of a
smaller one. 300,000 add-ons have 900,000 versions and take about 600 MB.

Example:
  npm run -s loadtest -- generate --addons 300000 --seed 1 > catalogue.jsonl
  npm run -s catalog -- import catalogue.jsonl`

export function addGenerateCommand(parent: Command): void {
  parent
    .command('generate')
    .description('write a made-up catalogue to standard output, in the import format')
    .option('--addons <n>', 'how many add-ons', wholeNumber(1, ADDONS_MAX), ADDONS)
    .option('--seed <n>', 'which catalogue', wholeNumber(0, SEED_MAX), SEED)
    .addHelpText('after', HELP)
    .action(runGenerate)
}

async function runGenerate(options: GenerateOptions): Promise<void> {
  const bar = createBar(options.addons)
  try {
    await writeCatalogue({ ...options, output: process.stdout, progress: (addons) => bar?.update(addons) })
  } finally {
    bar?.stop()
  }
}

export interface WriteOptions extends GenerateOptions {
  readonly output: Writable
  /** Is told now and then how many add-ons were handed over. */
  readonly progress: (addons: number) => void
}

/** Writes no faster than `output` takes it, and holds one chunk. A reader that has seen enough, such as `head`, is no error. */
export async function writeCatalogue({ output, progress, ...options }: WriteOptions): Promise<void> {
  try {
    await pipeline(Readable.from(chunksOf(options, progress), { highWaterMark: 1 }), output)
  } catch (error) {
    const { code, syscall, message } = error as NodeJS.ErrnoException
    if (code === 'EPIPE') return
    throw syscall === 'write' ? new Failure(`The catalogue can't be written: ${message}.`, error) : error
  }
}

/** Each line is encoded by itself, in half the time: one letter beyond Latin-1, as one line in four has, slows down a whole string. */
function* chunksOf(options: GenerateOptions, progress: (addons: number) => void): Generator<Buffer> {
  let lines: Buffer[] = []
  let bytes = 0
  for (const addon of generateAddons(options)) {
    const line = Buffer.from(`${JSON.stringify(addon)}\n`)
    lines.push(line)
    bytes += line.length
    if (bytes < CHUNK_BYTES) continue
    yield Buffer.concat(lines, bytes)
    lines = []
    bytes = 0
    progress(addon.id)
  }
  yield Buffer.concat(lines, bytes)
  progress(options.addons)
}

/** Only for somebody who watches, and not among the lines themselves. */
function createBar(addons: number): SingleBar | undefined {
  if (!process.stderr.isTTY || process.stdout.isTTY) return undefined
  const format = 'generating {bar} {percentage} % | {value} of {total} add-ons | {duration_formatted}'
  const bar = new SingleBar({ format, stream: process.stderr }, Presets.shades_classic)
  bar.start(addons, 0)
  return bar
}
