/** What a rung is told by its environment. */

export interface DatabasePlace {
  readonly user: string
  readonly password: string
  readonly database: string
  /** Of a MariaDB on this host. */
  readonly socketPath: string
}

/** Where it listens, on 127.0.0.1. */
export const port = Number(process.env.PORT)

/** How many connections to the database a rung keeps; each that keeps some keeps as many. */
export const POOL_SIZE = 10

/** `DATABASE_URL`: `mysql://USER:PASSWORD@localhost/NAME?socket=…`. */
export function databasePlace(): DatabasePlace {
  const url = new URL(process.env.DATABASE_URL ?? '')
  return {
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: url.pathname.slice(1),
    socketPath: url.searchParams.get('socket') ?? '',
  }
}

/** Says that checks are answered from now on. */
export function sayReady(): void {
  console.log(`ready http://127.0.0.1:${port}`)
}
