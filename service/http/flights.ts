/** Answers that come after their handler has returned. The server waits for them when it drains. */

import type { HttpResponse } from 'uWebSockets.js'

/** One such answer. It ends with `answer`, `landed` or `cut`, or when the client goes. */
export class Flight {
  readonly res: HttpResponse
  /** The client has gone: `res` may not be touched any more. */
  aborted = false
  /** Told once when the client goes. */
  onAborted: (() => void) | undefined
  private flying = true
  private readonly flights: Flights

  /** Must be made before the handler returns. */
  constructor(res: HttpResponse, flights: Flights) {
    this.res = res
    this.flights = flights
    res.onAborted(() => {
      this.aborted = true
      this.landed()
      this.onAborted?.()
    })
  }

  /** Writes the whole answer in one go. Where `write` throws, its client loses the connection; whoever called goes on. */
  answer(write: (res: HttpResponse) => void): void {
    if (this.aborted || !this.flying) return
    // The library ends the process where an error comes out of this.
    this.res.cork(() => {
      try {
        write(this.res)
      } catch (error) {
        this.broke(error)
      }
    })
    this.landed()
  }

  /** An error came up while it was written. */
  broke(error: unknown): void {
    this.flights.onThrown(error)
    this.cut()
  }

  /** The answer was written piece by piece, to its end. */
  landed(): void {
    if (!this.flying) return
    this.flying = false
    this.flights.landed()
  }

  /** What was promised can't be kept: the connection is closed. */
  cut(): void {
    if (!this.aborted && this.flying) abandon(this.res)
    this.landed()
  }
}

/** Closes the connection of a request that may have been answered. */
export function abandon(res: HttpResponse): void {
  try {
    res.close()
  } catch {
    // it was answered before
  }
}

export class Flights {
  private count = 0
  private readonly waiting: (() => void)[] = []

  /** Told of what broke an answer. */
  readonly onThrown: (error: unknown) => void

  constructor(onThrown: (error: unknown) => void) {
    this.onThrown = onThrown
  }

  /** Must be called before the handler returns. */
  begin(res: HttpResponse): Flight {
    this.count++
    return new Flight(res, this)
  }

  /** Told by each flight, once. */
  landed(): void {
    this.count--
    if (this.count === 0 && this.waiting.length > 0) for (const tell of this.waiting.splice(0)) tell()
  }

  /** Resolves when none is left, or after `msMax`. */
  async allLanded(msMax: number): Promise<void> {
    if (this.count === 0) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.waiting.push(resolve)
      timer = setTimeout(resolve, msMax)
    })
    clearTimeout(timer)
  }
}
