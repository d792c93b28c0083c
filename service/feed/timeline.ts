/**
 * What a worker knows of the change feed: how far it has followed it, which add-on changed last when, and under which tokens. By
 * it anything that was read somewhere, some time ago, can be judged: is it of this timeline, and has its add-on changed since?
 * It takes the same few megabytes however many changes there are, and errs only to the safe side: what it can't judge is outdated.
 */

import type { ReplicaStanding, Row } from '../database/index.ts'
import { TIMELINE_BUCKETS, TIMELINE_NUMBERS } from '../limits.ts'

/** A point of the feed. Numbers rise along a timeline, and so do heartbeats. */
export interface Position {
  readonly counter: number
  /** Of the change `counter`. */
  readonly token: number
  /** The primary's clock, as it was replicated by then. */
  readonly heartbeatMs: number
}

/** Of a row with `counter`, `token` and `heartbeatMs`, as the statements of workers have them. */
export function readPosition({ counter, token, heartbeatMs }: Row): Position {
  return { counter: Number(counter), token: Number(token), heartbeatMs: Number(heartbeatMs) }
}

export const START: Position = { counter: 0, token: 0, heartbeatMs: 0 }

export class Timeline {
  /** All changes up to here are known. In the middle of many, its heartbeat is that of before them. */
  position: Position = START
  /** Its heartbeat is no later than this; the same one, but in the middle of many changes. */
  latestMs = 0
  /** The highest counter of anything that was believed; nothing older may take its place. */
  seen = 0
  /** Changes above it are known one by one, and which add-on each was of. */
  floor = 0
  /** The last change that was of all add-ons. */
  private changeOfAll = 0
  /** Of the changes of all add-ons whose guids fall into a bucket, the last. */
  private lastChange = new Float64Array(TIMELINE_BUCKETS)
  /** Numbers and their tokens, each at its number modulo the length. */
  private numbers = new Float64Array(TIMELINE_NUMBERS)
  private tokens = new Float64Array(TIMELINE_NUMBERS)

  /** Begins anew at a position, knowing nothing of what was before. */
  begin(position: Position): void {
    this.position = position
    this.latestMs = position.heartbeatMs
    this.seen = position.counter
    this.floor = position.counter
    this.changeOfAll = 0
    this.lastChange = new Float64Array(TIMELINE_BUCKETS)
    this.numbers = new Float64Array(TIMELINE_NUMBERS)
    this.tokens = new Float64Array(TIMELINE_NUMBERS)
    this.noteToken(position.counter, position.token)
  }

  /** Takes note of a change; in order. */
  learn(number: number, token: number, guids: readonly (string | null)[]): void {
    for (const guid of guids) if (guid !== null) this.raiseLastChange(guid, number)
    this.noteToken(number, token)
  }

  /**
   * The add-on may have changed as late as at a point beyond what is known: an answer was read there, or a journal says so. The
   * other changes up to there aren't known.
   */
  noteChange(guid: string, counter: number): void {
    this.raiseLastChange(guid, counter)
  }

  /** What was read before a change may have been changed by it, whatever it was of. */
  forgetBefore(counter: number): void {
    this.changeOfAll = Math.max(this.changeOfAll, counter)
    this.floor = Math.max(this.floor, counter)
  }

  /** The changes from there on are known now, too. */
  lowerFloor(counter: number): void {
    this.floor = Math.max(this.changeOfAll, Math.min(this.floor, counter))
  }

  /** All changes up to a position are known now. `latestMs`: where its true heartbeat may be later. */
  advance(position: Position, latestMs = position.heartbeatMs): void {
    this.position = position
    this.latestMs = latestMs
    this.see(position.counter)
    this.noteToken(position.counter, position.token)
  }

  /** More changes are on their way than were read at once: nobody knows the heartbeat of the position. */
  get isMidway(): boolean {
    return this.latestMs !== this.position.heartbeatMs
  }

  see(counter: number): void {
    if (counter > this.seen) this.seen = counter
  }

  /** Number of the last change that may have been the add-on's; 0: none that is known of. */
  lastChangeOf(guid: string): number {
    return this.lastChange[bucketOf(guid)] as number
  }

  /** Whether this is known to be a point of the timeline. */
  has(counter: number, token: number): boolean {
    const at = counter % TIMELINE_NUMBERS
    return this.numbers[at] === counter + 1 && this.tokens[at] === token
  }

  /** Whether what was read of an add-on at a point is still its state, by all that is known. */
  isCurrent(guid: string, counter: number, token: number): boolean {
    return counter >= this.floor && this.has(counter, token) && counter >= this.lastChangeOf(guid)
  }

  /**
   * Whether what a late replica says of an add-on, as of a point that may be long gone, may have been undone since: by a change that
   * is known, or by one of before all that is, which others have answered by. It might offer what was withdrawn.
   */
  mayHaveChangedSince(guid: string, counter: number): boolean {
    return counter < this.floor || counter < this.lastChangeOf(guid)
  }

  /**
   * What a replica is that was at a position when it answered; `seen`, when it was asked. Heartbeats rise along a timeline as numbers
   * do: one that has more numbers and an earlier heartbeat was left behind when this timeline began, at a restore or a promotion.
   */
  standingOf({ counter, token, heartbeatMs }: Position, seen = this.seen): ReplicaStanding {
    const isLeftBehind = counter > this.position.counter && heartbeatMs < this.position.heartbeatMs
    if (isLeftBehind || this.isOfAnother(counter, token)) return 'foreign'
    return counter < seen ? 'behind' : 'current'
  }

  /** Whether the change of that number is known, and is another one. */
  private isOfAnother(counter: number, token: number): boolean {
    const at = counter % TIMELINE_NUMBERS
    return this.numbers[at] === counter + 1 && this.tokens[at] !== token
  }

  private raiseLastChange(guid: string, number: number): void {
    const bucket = bucketOf(guid)
    if (number > (this.lastChange[bucket] as number)) this.lastChange[bucket] = number
  }

  private noteToken(counter: number, token: number): void {
    const at = counter % TIMELINE_NUMBERS
    // One of long ago, learnt late, doesn't take the place of a newer one.
    if ((this.numbers[at] as number) > counter + 1) return
    this.numbers[at] = counter + 1 // 0 means none
    this.tokens[at] = token
  }
}

/** FNV-1a. */
function bucketOf(guid: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < guid.length; at++) hash = Math.imul(hash ^ guid.charCodeAt(at), 0x01000193)
  return (hash ^ (hash >>> 15)) & (TIMELINE_BUCKETS - 1)
}
