/** Selection: the fast rule on packed entries against a naive model that reads like the contract. */

import fc from 'fast-check'
import t from 'tap'
import { type Application, judge, type Mode, packAppVersion, splitPacked } from '../../service/addon/index.ts'
import { choose, chooseFrom, NONE } from '../../service/update/choose.ts'
import { makeEntry, updateAt } from '../../service/update/entry.ts'
import type { Candidate, Offer } from '../../service/update/offer.ts'
import { modeCodes } from '../../service/update/request.ts'
import { holds } from '../harness/property.ts'

const applications: readonly Application[] = [
  { id: 1, guid: '{firefox}', name: 'firefox', manifest: 'json', jsonSince: { high: 0, low: 0 } },
  { id: 2, guid: '{android}', name: 'android', manifest: 'json', jsonSince: { high: 0, low: 0 } },
  { id: 9, guid: '{seamonkey}', name: 'seamonkey', manifest: 'rdf', jsonSince: null },
]
const siteUrl = 'https://x'

const appVersion = fc.constantFrom(
  '',
  '42.0',
  '57.0',
  '57.0a1',
  '58.0b3',
  '58.0',
  '58.*',
  '99.0',
  '100.*',
  '115.0',
  '140.0',
  '153.7.0',
  '*',
)
const candidate = fc.record({
  applicationId: fc.constantFrom(1, 2, 9),
  min: appVersion,
  max: appVersion,
  strict: fc.boolean(),
  hasReleaseNotes: fc.boolean(),
})

function offerOf(
  rows: readonly { applicationId: number; min: string; max: string; strict: boolean; hasReleaseNotes: boolean }[],
): Offer {
  const candidates = rows.map((row, index): Candidate => {
    const min = splitPacked(packAppVersion(row.min))
    const max = splitPacked(packAppVersion(row.max))
    return {
      ...row,
      versionId: 1_000 + index,
      version: `${index}.0`,
      minHigh: min.high,
      minLow: min.low,
      maxHigh: max.high,
      maxLow: max.low,
      fileId: index,
      filename: `a-${index}.xpi`,
      hash: null,
      url: null,
      package: null,
    }
  })
  return { guid: 'a@b', slug: 'a', type: 'extension', candidates }
}

/** The newest version by row id of those the slow rule admits. */
function naive(offer: Offer, applicationId: number, client: bigint, mode: Mode): string | undefined {
  return offer.candidates
    .filter((row) => row.applicationId === applicationId)
    .filter(({ min, max, strict }) => {
      return judge({ min, minPacked: packAppVersion(min), max, maxPacked: packAppVersion(max), strict }, client, mode)
        .admitted
    })
    .sort((one, other) => other.versionId - one.versionId)[0]?.version
}

t.test('the fast rule chooses what the slow one does, from an entry and from what was just read', async (t) => {
  holds(
    t,
    'the same version',
    fc.property(
      fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7]),
      fc.array(candidate, { minLength: 8, maxLength: 8 }),
      fc.constantFrom(...applications),
      appVersion,
      fc.constantFrom<Mode>('strict', 'normal', 'ignore'),
      (order, rows, application, version, mode) => {
        const all = offerOf(rows)
        const offer = { ...all, candidates: order.map((index) => all.candidates[index] as Candidate) }
        const entry = { memory: makeEntry(offer, 7, { siteUrl, applications }), at: 0 }
        const client = packAppVersion(version)
        const { high, low } = splitPacked(client)
        const expected = naive(offer, application.id, client, mode)
        const chosen = choose(entry.memory.words, 0, application.id, high, low, modeCodes[mode])
        const fromEntry = chosen === NONE ? undefined : updateAt(entry, chosen, application, siteUrl).version
        const fromOffer = chooseFrom(offer, application.id, high, low, modeCodes[mode])?.version
        return fromEntry === expected && fromOffer === expected
      },
    ),
    5_000,
  )
})
