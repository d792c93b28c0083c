import fc from 'fast-check'
import t from 'tap'
import { packAppVersion } from '../../service/addon/index.ts'
import { ApplicationLetters } from '../../service/update/application-letters.ts'
import { GuidKey } from '../../service/update/guid-key.ts'
import { KnownVersions } from '../../service/update/known-versions.ts'
import { Letters } from '../../service/update/letters.ts'
import { holds } from '../harness/property.ts'

/** A text in memory, with others before it and behind. */
function inMemory(before: string, text: string, behind: string): DataView {
  const bytes = Buffer.from(new ArrayBuffer(before.length + text.length + behind.length + 8))
  bytes.write(before + text + behind, 'latin1')
  return new DataView(bytes.buffer)
}

const few = fc.string({ unit: fc.constantFrom('a', 'b', '\0'), maxLength: 14 })

t.test('letters are found where they stand, and nowhere else', async (t) => {
  holds(
    t,
    'as texts are equal',
    fc.property(few, few, few, few, (wanted, before, text, behind) => {
      const memory = inMemory(before, text, behind)
      const letters = new Letters(wanted)
      return letters.isAt(memory, before.length, before.length + text.length) === (wanted === text)
    }),
    20_000,
  )
})

t.test('a guid in memory has the key that it has as a text', async (t) => {
  const guid = fc.oneof(few, fc.string({ unit: 'grapheme-ascii', maxLength: 300 }))
  holds(
    t,
    'the same key',
    fc.property(few, guid, few, (before, text, behind) => {
      const [ofText, ofMemory] = [new GuidKey(), new GuidKey()]
      const isGuid = ofText.read(text)
      const memory = inMemory(before, text, behind)
      if (ofMemory.readAscii(memory, before.length, before.length + text.length) !== isGuid) return false
      const words = ({ words, length }: GuidKey) => words.subarray(0, (length + 3) >> 2).join()
      return !isGuid || (ofText.hash === ofMemory.hash && words(ofText) === words(ofMemory))
    }),
    20_000,
  )
})

t.test('a version is read as it would be the first time', async (t) => {
  const part = fc.constantFrom('0', '1', '9', '10', '153', '.', '*', 'a1', 'b', 'pre', 'esr', ' ', '\0', 'x')
  const version = fc.array(part, { maxLength: 5 }).map((parts) => parts.join(''))
  const known = new KnownVersions()
  holds(
    t,
    'whatever was read before',
    fc.property(few, version, few, (before, text, behind) => {
      const memory = inMemory(before, text, behind)
      const whole = before + text + behind
      for (let time = 0; time < 2; time++) {
        const into = { high: -1, low: -1 }
        known.read(memory, whole, into, before.length, before.length + text.length)
        if (BigInt(into.high) * 100_000_000n + BigInt(into.low) !== packAppVersion(text)) return false
      }
      return true
    }),
    20_000,
  )
})

t.test('applications are found by their guids in memory as in the map', async (t) => {
  const guids = [
    '{ec8030f7-c20a-464f-9b0e-13a3a9e97384}',
    '{aa3c5121-dab2-40e2-81ca-7ea25febc110}',
    'a',
    'ab',
    '',
    '\u0141b',
    'a\0',
  ]
  const byGuid = new Map(
    guids.map((guid, id) => [
      guid,
      { id, guid, name: `application ${id}`, manifest: 'json', jsonSince: null } as const,
    ]),
  )
  const letters = new ApplicationLetters(byGuid)
  for (const guid of [...guids.slice(0, 4), 'Ab', 'b', 'abc', '{ec8030f7-c20a-464f-9b0e-13a3a9e97385}']) {
    const memory = inMemory('&appID=', guid, '&')
    t.equal(letters.find(memory, 7, 7 + guid.length), byGuid.get(guid), guid)
  }
})
