/** What a command of the load tests throws when it can't go on and the reader can be told why. Anything else is shown with its stack. */
export class Failure extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause })
    this.name = 'Failure'
  }
}
