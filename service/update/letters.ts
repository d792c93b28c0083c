/** A text of ASCII that is looked for in memory, four letters at a time. */
export class Letters {
  readonly length: number
  /** The first four of them as a word; what is missing is 0. */
  readonly head: number
  private readonly words: Int32Array
  private readonly lastMask: number

  constructor(text: string) {
    this.length = text.length
    const bytes = Buffer.from(new ArrayBuffer((Math.max(1, text.length) + 3) & ~3))
    bytes.write(text, 'latin1')
    this.words = new Int32Array(bytes.buffer)
    this.head = this.words[0] as number
    this.lastMask = maskOf(text.length & 3)
  }

  /** Whether the part from `start` to `end` is this text. Looks at 3 bytes behind it at the most. */
  isAt(memory: DataView, start: number, end: number): boolean {
    if (end - start !== this.length) return false
    const { words } = this
    const whole = this.length >> 2
    for (let word = 0; word < whole; word++) {
      if (memory.getInt32(start + word * 4, true) !== words[word]) return false
    }
    return this.lastMask === 0 || (memory.getInt32(start + whole * 4, true) & this.lastMask) === words[whole]
  }
}

/** Of a word, its first bytes in memory: 0 to 3. */
export function maskOf(bytes: number): number {
  return (1 << (bytes * 8)) - 1
}
