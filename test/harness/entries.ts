/** Add-ons as a replica tells of them, and their entries, made in a line. */

import type { Application } from '../../service/addon/index.ts'
import { type Candidate, type Entry, makeEntry, type Offer, type RenderOptions } from '../../service/update/index.ts'

export const SITE_URL = 'https://addons.test'
export const firefox: Application = {
  id: 1,
  guid: '{ec8030f7-c20a-464f-9b0e-13a3a9e97384}',
  name: 'firefox',
  manifest: 'json',
  jsonSince: { high: 0, low: 0 },
}
export const rendering: RenderOptions = { siteUrl: SITE_URL, applications: [firefox] }

export interface TestAddon {
  readonly guid: string
  /** Oldest first; one by default. */
  readonly versions?: readonly string[]
  /** Of the first version's file, the others follow. */
  readonly fileId?: number
  readonly applicationId?: number
}

export function offerOf({ guid, versions = ['1.0'], fileId = 1, applicationId = firefox.id }: TestAddon): Offer {
  const candidates = versions.map(
    (version, index): Candidate => ({
      applicationId,
      versionId: index + 1,
      minHigh: 0,
      minLow: 0,
      // Each is the last for some clients, so that none is left out.
      maxHigh: versions.length - index,
      maxLow: 0,
      strict: true,
      hasReleaseNotes: false,
      fileId: fileId + index,
      version,
      min: '1',
      max: '*',
      filename: `${version}.xpi`,
      hash: null,
      url: null,
      package: packageOfFile(fileId + index),
    }),
  )
  return { guid, slug: 'slug', type: 'extension', candidates }
}

/** Of these add-ons' files. */
export function packageOfFile(fileId: number): string {
  return fileId.toString(16).padStart(64, '0')
}

export function entryOf(addon: TestAddon, counter = 1): Entry {
  return { memory: makeEntry(offerOf(addon), counter, rendering), at: 0 }
}
