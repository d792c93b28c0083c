/**
 * Judges a history of edits and answers, in the manner of Jepsen: nothing is assumed of how workers come by their answers, only of
 * what they may be. States of an add-on are numbered in the order in which they were committed.
 */

/** What an answer says of an add-on: the name of its state; `hidden`: nobody knows the add-on. */
export type Seen = string

/** The states that an add-on went through, the first at 0. */
export type States = readonly Seen[]

export interface Answer {
  /** One process; a restart is another. */
  readonly worker: string
  readonly guid: string
  readonly seen: Seen
  /** When it was asked and when it was answered, in milliseconds. */
  readonly askedAt: number
  readonly answeredAt: number
  /** It said itself that it may be old. */
  readonly isMarked: boolean
}

export interface History {
  readonly states: ReadonlyMap<string, States>
  readonly answers: readonly Answer[]
  /** The oldest state that the replicas which a worker may have been reading from had, at some time; in milliseconds. */
  readonly leastState: (worker: string, guid: string, at: number) => number
  /** How much older than that an answer may be. */
  readonly freshMsMax: number
}

export interface Violation {
  readonly rule: 'invented' | 'older than before' | 'too old'
  readonly answer: Answer
  /** The state that was given, the last that it can be; -1: there is none of that name. */
  readonly given: number
  /** The state that was due, or a later one. */
  readonly due: number
  readonly detail: string
}

/** Everything that is wrong in a history; nothing where nothing is. */
export function judge({ states, answers, leastState, freshMsMax }: History): Violation[] {
  const violations: Violation[] = []
  const byWorker = new Map<string, Answer[]>()
  for (const answer of answers) {
    const key = `${answer.worker}\n${answer.guid}`
    const list = byWorker.get(key)
    if (list === undefined) byWorker.set(key, [answer])
    else list.push(answer)
  }
  for (const list of byWorker.values()) {
    list.sort((one, other) => one.askedAt - other.askedAt)
    const guid = list[0]?.guid as string
    violations.push(...judgeOne(list, states.get(guid) ?? [], (worker, at) => leastState(worker, guid, at), freshMsMax))
  }
  return violations
}

/** The answers of one worker about one add-on. */
function judgeOne(
  answers: readonly Answer[],
  states: States,
  leastState: (worker: string, at: number) => number,
  freshMsMax: number,
): Violation[] {
  const violations: Violation[] = []
  /** The latest state that was given, by answers that had ended; and the answers that may still have been under way. */
  let floor = 0
  let underWay: { readonly answeredAt: number; readonly state: number }[] = []
  for (const answer of answers) {
    const { seen, askedAt, answeredAt, isMarked, worker } = answer
    floor = Math.max(floor, ...underWay.filter((other) => other.answeredAt <= askedAt).map(({ state }) => state))
    underWay = underWay.filter((other) => other.answeredAt > askedAt)
    // The same may be seen of several states: the first that is possible leaves the most room for what comes after. Of an answer
    // that says it may be old any is.
    const state = states.indexOf(seen, isMarked ? 0 : floor)
    const newest = states.lastIndexOf(seen)
    if (newest < 0) {
      violations.push({ rule: 'invented', answer, given: newest, due: floor, detail: `no state was ever ${seen}` })
      continue
    }
    if (state >= 0) underWay.push({ answeredAt, state })
    if (isMarked) continue
    if (state < 0) {
      const detail = `state ${newest} (${seen}) after state ${floor} (${states[floor]})`
      violations.push({ rule: 'older than before', answer, given: newest, due: floor, detail })
    }
    const least = leastState(worker, askedAt - freshMsMax)
    if (newest < least) {
      const detail = `state ${newest} (${seen}), while its replica had state ${least} (${states[least]}) ${freshMsMax} ms before`
      violations.push({ rule: 'too old', answer, given: newest, due: least, detail })
    }
  }
  return violations
}
