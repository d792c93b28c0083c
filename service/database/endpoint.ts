/** Where a database is and who we are there: `mysql://USER:PASSWORD@HOST:PORT/NAME`, or a socket: `…@localhost/NAME?socket=/path`. */

import { createHmac } from 'node:crypto'

export interface Endpoint {
  readonly host: string
  readonly port: number
  /** Takes the place of host and port. */
  readonly socketPath?: string
  readonly user: string
  readonly password: string
  readonly database: string
}

/** Who connects: `owner` migrates, `catalog` writes the catalogue, `reader` answers clients. */
export type Role = 'owner' | 'catalog' | 'reader'

const DEFAULT_PORT = 3306

/** Throws an Error whose message completes "not usable: …". `user` may be absent where a role is filled in later. */
export function parseEndpoint(text: string, { userRequired }: { userRequired: boolean }): Endpoint {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    const port = /:([^/:@]*)(?:\/|$)/.exec(text.replace(/^\w+:\/\/(?:[^@]*@)?/, ''))?.[1]
    throw new Error(port !== undefined && !/^\d+$/.test(port) ? 'the port is not a number' : 'it is not a URL')
  }
  if (url.protocol !== 'mysql:' && url.protocol !== 'mariadb:') throw new Error(`it begins with "${url.protocol}"`)
  const database = decodeURIComponent(url.pathname.slice(1))
  if (!/^\w{1,50}$/.test(database)) throw new Error('the database name must be 1 to 50 letters, digits or _')
  const user = decodeURIComponent(url.username)
  if (userRequired && user === '') throw new Error('it names no user')
  const unknown = [...url.searchParams.keys()].find((name) => name !== 'socket')
  if (unknown !== undefined) throw new Error(`"${unknown}" is not a parameter it can have; "socket" is the only one`)
  const socketPath = url.searchParams.get('socket')
  const place = {
    host: url.hostname.replace(/^\[|\]$/g, '') || 'localhost',
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    user,
    password: decodeURIComponent(url.password),
    database,
  }
  return socketPath === null ? place : { ...place, socketPath }
}

/** For logs and messages: no password. */
export function describeEndpoint({ socketPath, host, port, database }: Endpoint): string {
  return socketPath === undefined ? `${host}:${port}/${database}` : `${socketPath}/${database}`
}

/** The accounts that the migrations make beside the owner: one pair a database. */
export function accountOf(role: Exclude<Role, 'owner'>, database: string): string {
  return `${database}_${role}`
}

/**
 * The same server as seen by a lesser account. Its password is derived from the owner's, so that every host that knows
 * DATABASE_URL knows it. An endpoint that names such an account itself stays as it is.
 */
export function endpointAs(owner: Endpoint, role: Exclude<Role, 'owner'>): Endpoint {
  if (isAccount(owner)) return owner
  return { ...owner, user: accountOf(role, owner.database), password: derivedPassword(owner, role) }
}

/** Whether the endpoint names one of the lesser accounts rather than the owner. */
export function isAccount({ user, database }: Endpoint): boolean {
  return user === accountOf('catalog', database) || user === accountOf('reader', database)
}

export function derivedPassword(owner: Endpoint, role: Exclude<Role, 'owner'>): string {
  return derivedSecret(owner, role)
}

/** A secret that every host knows that knows DATABASE_URL. */
export function derivedSecret(owner: Endpoint, purpose: string): string {
  return createHmac('sha256', owner.password).update(`versioncheck ${purpose} ${owner.database}`).digest('base64url')
}
