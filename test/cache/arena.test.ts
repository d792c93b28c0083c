/** Memory for entries: pieces that are held never overlap, and what is given back is used again. */

import fc from 'fast-check'
import t from 'tap'
import { Arena, FIRST_WORD, GRAIN_BYTES, GRAIN_WORDS } from '../../service/cache/arena.ts'
import { holds } from '../harness/property.ts'

interface Piece {
  readonly at: number
  readonly words: number
  /** What is written all over it. */
  readonly mark: number
}

const size = fc.integer({ min: 1, max: 30 })
const step = fc.oneof(
  { weight: 6, arbitrary: size.map((words) => ({ what: 'take' as const, words })) },
  { weight: 5, arbitrary: fc.nat(1_000).map((which) => ({ what: 'give' as const, which })) },
)

function grainsOf(words: number): number {
  return Math.ceil(words / GRAIN_WORDS) * GRAIN_WORDS
}

t.test('pieces are apart, keep what is written to them, and are counted', async (t) => {
  holds(
    t,
    'any order',
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const arena = new Arena(4_096)
      const pieces: Piece[] = []
      for (const [mark, each] of steps.entries()) {
        if (each.what === 'give') {
          const [piece] = pieces.splice(each.which % Math.max(1, pieces.length), 1)
          if (piece !== undefined) arena.give(piece.at, piece.words)
        } else {
          const at = arena.take(each.words)
          if (at === 0) continue
          if (at % GRAIN_WORDS !== FIRST_WORD || at + grainsOf(each.words) > arena.words.length) return false
          pieces.push({ at, words: each.words, mark })
          arena.words.fill(mark, at, at + grainsOf(each.words))
        }
        const used = pieces.reduce((sum, piece) => sum + grainsOf(piece.words), 0)
        if (arena.usedBytes !== used * 4 || arena.touchedBytes < arena.usedBytes) return false
      }
      return pieces.every(({ at, words, mark }) =>
        arena.words.subarray(at, at + grainsOf(words)).every((word) => word === mark),
      )
    }),
    1_000,
  )
})

t.test('words and bytes are the same memory', async (t) => {
  const arena = new Arena(1_024)
  const at = arena.take(4)
  arena.words[at] = 0x01020304
  t.equal(arena.bytes.readInt32LE(at * 4), 0x01020304)
  t.not(at, 0, 'no piece lies at 0, which means nowhere')
})

t.test('a piece that was given back is taken again before new memory is touched', async (t) => {
  const arena = new Arena(1_024)
  const first = arena.take(10)
  arena.take(10)
  const { touchedBytes } = arena
  arena.give(first, 10)
  t.equal(arena.take(9), first, 'one of as many grains')
  t.equal(arena.touchedBytes, touchedBytes)
})

t.test('where all is taken it says so, and has room again after a piece came back', async (t) => {
  const arena = new Arena(GRAIN_BYTES * 11)
  const pieces: number[] = []
  for (let at = arena.take(4); at !== 0; at = arena.take(4)) pieces.push(at)
  t.ok(pieces.length >= 10, `${pieces.length} pieces`)
  t.equal(new Set(pieces).size, pieces.length)
  arena.give(pieces[3] as number, 4)
  t.equal(arena.take(4), pieces[3])
  t.equal(arena.take(1), 0)
})

t.test('after it was emptied it is as new', async (t) => {
  const arena = new Arena(1_024)
  arena.give(arena.take(8), 8)
  t.not(arena.take(100), 0)
  arena.clear()
  t.equal(arena.usedBytes, 0)
  t.not(arena.take(100), arena.take(8), 'a piece that came back before is not free twice')
  t.equal(arena.usedBytes, 8 * GRAIN_BYTES)
})
