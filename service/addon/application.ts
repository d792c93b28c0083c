/** Applications that may ask: Firefox, Firefox for Android, and what an admin adds. */

import type { PackedVersion } from './app-version.ts'
import type { ManifestFormat } from './vocabulary.ts'

export interface Application {
  readonly id: number
  readonly guid: string
  /** Short name, `firefox`: what import files and download addresses call it. */
  readonly name: string
  /** What it is answered where its version isn't known. */
  readonly manifest: ManifestFormat
  /** From this version on it reads JSON, below it RDF; null: it never does. */
  readonly jsonSince: PackedVersion | null
}

/** What an application of a given version reads (contract section 5). */
export function formatFor({ jsonSince }: Application, high: number, low: number): ManifestFormat {
  if (jsonSince === null) return 'rdf'
  return high > jsonSince.high || (high === jsonSince.high && low >= jsonSince.low) ? 'json' : 'rdf'
}
