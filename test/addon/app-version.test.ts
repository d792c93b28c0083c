import fc from 'fast-check'
import t from 'tap'
import { packAppVersion, readAppVersion, splitPacked, unpackAppVersion } from '../../service/addon/index.ts'
import { holds } from '../harness/property.ts'
import { readVectors } from '../harness/vectors.ts'

t.test("AMO's own examples pack to AMO's integers", async (t) => {
  for (const [text, packed] of readVectors().version_encoding.modern) {
    t.equal(packAppVersion(text), BigInt(packed), JSON.stringify(text))
  }
})

t.test('the contract: what is read, what is ignored', async (t) => {
  const cases: Record<string, bigint> = {
    '58.0': 58000000200100n,
    '58.0esr': 58000000200100n,
    '58.0b3': 58000000103100n,
    '58.0a1': 58000000001100n,
    '58.*': 58999999200100n,
    '58.*.3': 58990300200100n,
    '58.1.*': 58019999200100n,
    '3.6.25pre': 3062500200000n,
    '4.0b12pre2': 4000000112002n,
    '55.0.2017.11.19': 55009911200100n,
    '58.0b999999999': 58000000199100n,
    '999999999999999999999.0': 65535000000200100n,
    '58.1000.2': 58990200200100n,
    '58.': 58000000200100n,
    '58..1': 58000000200100n,
    '58*': 58000000200100n,
    '*': 65535999999200100n,
    '*.*.*.*': 65535999999200100n,
    '58.0beta3': 58000000100100n,
    '58.0c1': 58000000200100n,
    '1.2.3.4.5': 1020304200100n,
    a1: 200100n,
    '-1': 200100n,
    ' 58': 200100n,
    '٣': 200100n,
    '58\u0000.1': 58000000200100n,
  }
  for (const [text, packed] of Object.entries(cases)) t.equal(packAppVersion(text), packed, JSON.stringify(text))
})

t.test('order: alpha < beta < release = esr < star', async (t) => {
  const rising = ['57.*', '58.0a1', '58.0a2', '58.0b3', '58.0b12', '58.0', '58.0.1', '58.1', '58.*', '59.0a1', '*']
  const packed = rising.map(packAppVersion)
  t.strictSame(
    packed,
    [...packed].sort((one, other) => (one < other ? -1 : 1)),
  )
  t.equal(new Set(packed).size, rising.length, 'all differ')
  t.equal(packAppVersion('58.0'), packAppVersion('58.0esr'))
})

/** The same rule, written as a pattern and decimal text. */
function slowly(text: string): bigint {
  const pattern = /^(\d+|\*)(?:\.(\d+|\*))?(?:\.(\d+|\*))?(?:\.(\d+|\*))?(?:([ab])(\d*))?(?:(pre)(\d)?)?/
  const match = pattern.exec(text)
  if (match === null) return 200100n
  const capped = (digits: string, cap: number) => (digits === '*' || BigInt(digits) > cap ? cap : Number(digits))
  let star = false
  const numbers = [1, 2, 3, 4].map((part) => {
    const found = match[part]
    if (found !== undefined) star = found === '*'
    return found === undefined ? (star ? 99 : 0) : capped(found, part === 1 ? 65_535 : 99)
  })
  const two = (value: number) => String(value).padStart(2, '0')
  const alpha = match[5] === undefined ? 2 : match[5] === 'a' ? 0 : 1
  return BigInt(
    `${numbers[0]}${numbers.slice(1).map(two).join('')}${alpha}${two(capped(match[6] || '0', 99))}${match[7] === undefined ? 1 : 0}${two(Number(match[8] ?? 0))}`,
  )
}

const versionLike = fc
  .array(fc.oneof(fc.constantFrom('.', '*', 'a', 'b', 'pre', 'esr', '+', ' '), fc.nat({ max: 200 }).map(String)), {
    maxLength: 12,
  })
  .map((parts) => parts.join(''))

t.test('any text packs as the slow rule says, and its halves are the whole', async (t) => {
  holds(
    t,
    'any text packs as the slow rule says, and its halves are the whole',
    fc.property(fc.oneof(versionLike, fc.string(), fc.string({ unit: 'binary' })), (text) => {
      const packed = packAppVersion(text)
      const halves = { high: 0, low: 0 }
      readAppVersion(text, halves)
      const { high, low } = splitPacked(packed)
      return packed === slowly(text) && halves.high === high && halves.low === low && high < 2 ** 30 && low < 2 ** 30
    }),
    20_000,
  )
})

t.test('packing keeps the order of releases', async (t) => {
  const release = fc.tuple(fc.nat({ max: 65_535 }), fc.nat({ max: 99 }), fc.nat({ max: 99 }), fc.nat({ max: 99 }))
  holds(
    t,
    'packing keeps the order of releases',
    fc.property(release, release, (one, other) => {
      const first =
        one.map((part, index) => part - (other[index] as number)).find((difference) => difference !== 0) ?? 0
      const packed = packAppVersion(one.join('.')) - packAppVersion(other.join('.'))
      return Math.sign(first) === Number(packed > 0n) - Number(packed < 0n)
    }),
    5_000,
  )
})

t.test('what was packed is shown as a version that packs to the same', async (t) => {
  for (const [text, shown] of [
    ['36.0', '36.0'],
    ['57.0a1', '57.0a1'],
    ['28', '28.0'],
    ['28.*', '28.*'],
    ['3.6.*', '3.6.*'],
    ['3.0.0.17', '3.0.0.17'],
    ['1.5b2pre3', '1.5b2pre3'],
    ['', '0.0'],
  ] as const) {
    t.equal(unpackAppVersion(packAppVersion(text)), shown, text)
  }
  holds(
    t,
    'whatever the text',
    fc.property(fc.oneof(versionLike, fc.string()), (text) => {
      const packed = packAppVersion(text)
      return packAppVersion(unpackAppVersion(packed)) === packed
    }),
    10_000,
  )
})
