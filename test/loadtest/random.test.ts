/** The generator's random numbers: sfc32 as published, and draws that keep to their bounds and weights. */

import fc from 'fast-check'
import t from 'tap'
import { Random, weighted, zipf, zipfWeighted } from '../../loadtest/generate/random.ts'
import { holds } from '../harness/property.ts'

const word32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })

/** Written from PractRand's C++ with whole numbers that don't wrap by themselves. */
function* sfc32(...seeds: [bigint, bigint, bigint]): Generator<number, never> {
  const wrap = (value: bigint) => BigInt.asUintN(32, value)
  let [a, b, c] = seeds
  for (let [counter, round] = [1n, 0]; ; counter++, round++) {
    const word = wrap(a + b + counter)
    a = b ^ (b >> 9n)
    b = wrap(c + (c << 3n))
    c = wrap(((c << 21n) | (c >> 11n)) + word)
    if (round >= 15) yield Number(word)
  }
}

t.test('the words are those of sfc32', async (t) => {
  holds(
    t,
    'twenty words',
    fc.property(word32, word32, word32, (seed, stream, number) => {
      const random = new Random(seed, stream, number)
      const model = sfc32(BigInt(stream), BigInt(seed), BigInt(number))
      return Array.from({ length: 20 }).every(() => random.word() === model.next().value)
    }),
    500,
  )
})

t.test('streams that differ in one bit have nothing in common', async (t) => {
  const words = (...three: [number, number, number]) => {
    const random = new Random(...three)
    return Array.from({ length: 50 }, () => random.word())
  }
  const all = [words(1, 1, 0), words(1, 1, 1), words(1, 2, 0), words(2, 1, 0), words(3, 1, 0)].flat()
  t.equal(new Set(all).size, all.length)
})

t.test('draws keep to their bounds', async (t) => {
  holds(
    t,
    'whole numbers, picks and digits',
    fc.property(word32, fc.integer({ min: -50, max: 50 }), fc.nat(50), (seed, min, more) => {
      const random = new Random(seed, 1, 1)
      const whole = random.whole(min, min + more)
      const some = random.pickSome([1, 2, 3, 4, 5], more % 6)
      return (
        Number.isInteger(whole) &&
        whole >= min &&
        whole <= min + more &&
        some.length === more % 6 &&
        some.every((value, place) => place === 0 || value > (some[place - 1] as number)) &&
        /^[0-9a-f]{16}$/.test(random.hex(8))
      )
    }),
    2_000,
  )
})

t.test('weighted values come up as often as they weigh', async (t) => {
  const random = new Random(1, 1, 1)
  const weights = weighted([
    ['often', 3],
    ['seldom', 1],
  ])
  const draws = Array.from({ length: 40_000 }, () => random.pickWeighted(weights))
  t.ok(Math.abs(draws.filter((value) => value === 'often').length - 30_000) < 400)
  const ranks = Array.from({ length: 40_000 }, () => random.pickWeighted(zipfWeighted(10, 1)))
  const times = (rank: number) => ranks.filter((value) => value === rank).length
  t.ok(Math.abs(times(1) / times(2) - 2) < 0.15, 'the first rank twice as often as the second')
  t.equal(Math.max(...ranks), 10)
  t.equal(zipf(1, 1.1), 1)
})
