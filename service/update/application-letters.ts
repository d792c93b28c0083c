import type { Application } from '../addon/index.ts'
import { Letters } from './letters.ts'

/** The applications that may ask, found by a guid that stands in memory. There are a handful: their letters are compared in turn. */
export class ApplicationLetters {
  readonly byGuid: ReadonlyMap<string, Application>
  private readonly all: readonly Application[]
  private readonly letters: readonly Letters[]

  constructor(byGuid: ReadonlyMap<string, Application>) {
    this.byGuid = byGuid
    // What isn't ASCII can't stand there.
    this.all = [...byGuid.values()].filter(({ guid }) => /^[\x20-\x7e]+$/.test(guid))
    this.letters = this.all.map(({ guid }) => new Letters(guid))
  }

  /** Looks at 3 bytes behind the guid at the most. */
  find(memory: DataView, start: number, end: number): Application | undefined {
    const { letters } = this
    for (let number = 0; number < letters.length; number++) {
      if ((letters[number] as Letters).isAt(memory, start, end)) return this.all[number]
    }
    return undefined
  }
}
