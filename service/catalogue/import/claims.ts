/**
 * Who claims what within one import file: ids and slugs by their owners. Held as hashes in flat arrays, 16 bytes a claim, so that
 * a file of 300,000 add-ons takes some 60 MB. Two of three million keys share a hash by chance once in a thousand files; then a
 * good line is reported as a clash.
 */

const LOAD_MAX = 0.7

export class Claims {
  private keys = new Float64Array(1024)
  private owners = new Float64Array(1024)
  private size = 0

  /** Whether the claim stands: nobody else claimed it before. */
  claim(kind: string, key: string | number, owner: string | number): boolean {
    const hash = hashOf(`${kind}\n${key}`)
    const place = this.placeOf(hash)
    const ownerHash = hashOf(String(owner))
    if (this.keys[place] === hash) return this.owners[place] === ownerHash
    this.keys[place] = hash
    this.owners[place] = ownerHash
    this.size++
    if (this.size > this.keys.length * LOAD_MAX) this.grow()
    return true
  }

  /** Whether anybody claims it. */
  isClaimed(kind: string, key: string | number): boolean {
    const hash = hashOf(`${kind}\n${key}`)
    return this.keys[this.placeOf(hash)] === hash
  }

  private placeOf(hash: number): number {
    const mask = this.keys.length - 1
    let place = hash % this.keys.length
    while (this.keys[place] !== 0 && this.keys[place] !== hash) place = (place + 1) & mask
    return place
  }

  private grow(): void {
    const { keys, owners } = this
    this.keys = new Float64Array(keys.length * 2)
    this.owners = new Float64Array(keys.length * 2)
    for (const [index, hash] of keys.entries()) {
      if (hash === 0) continue
      const place = this.placeOf(hash)
      this.keys[place] = hash
      this.owners[place] = owners[index] as number
    }
  }
}

/** 53 bits, never 0. Two runs of FNV-1a with different starts, mixed. */
function hashOf(text: string): number {
  let one = 0x811c9dc5
  let other = 0x9747b28c
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    one = Math.imul(one ^ code, 0x01000193)
    other = Math.imul(other ^ code, 0x85ebca6b)
    other ^= other >>> 13
  }
  one ^= one >>> 16
  one = Math.imul(one, 0xc2b2ae35)
  other = Math.imul(other ^ (other >>> 15), 0x27d4eb2f)
  return ((one ^ (one >>> 13)) >>> 0) * 0x200000 + ((other >>> 0) & 0x1fffff) || 1
}
