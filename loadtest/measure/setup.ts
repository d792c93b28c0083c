/** The catalogue that benches run on: generated, imported into a private MariaDB of its own, and kept for the next time. */

import { createWriteStream, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { makeFolder } from '../folder.ts'
import { writeCatalogue } from '../generate/index.ts'
import { generatedPopulation, type Population } from '../traffic/index.ts'
import { runCommand } from './processes.ts'

export interface Bench {
  readonly addons: number
  readonly dataDir: string
  /** All add-ons. */
  readonly all: Population
  /** The address that clients are told of. */
  readonly siteUrl: string
  /** The catalogue in the import format. */
  readonly catalogue: string
}

const SEED = 1
const SITE_URL = 'https://addons.example.org'

/** Makes it where it isn't there; 300,000 add-ons take some minutes, once. */
export async function prepareBench(folder: string, addons: number, progress: (line: string) => void): Promise<Bench> {
  const home = resolve(folder, String(addons))
  makeFolder(home)
  const dataDir = join(home, 'data')
  const catalogue = join(home, 'catalogue.jsonl')
  const indexPath = join(home, 'population.json')
  if (!existsSync(indexPath)) {
    progress(`generating ${addons.toLocaleString('en-US')} add-ons`)
    const output = createWriteStream(`${catalogue}.new`)
    await writeCatalogue({ addons, seed: SEED, output, progress: () => {} })
    renameSync(`${catalogue}.new`, catalogue)
    rmSync(dataDir, { recursive: true, force: true })
    progress('importing them')
    await runCommand('service/catalog.js', ['import', catalogue], { DATA_DIR: dataDir })
    writeFileSync(`${indexPath}.new`, JSON.stringify(generatedPopulation(addons, SEED)))
    renameSync(`${indexPath}.new`, indexPath)
  }
  return {
    addons,
    dataDir,
    all: JSON.parse(readFileSync(indexPath, 'utf8')),
    siteUrl: SITE_URL,
    catalogue,
  }
}
