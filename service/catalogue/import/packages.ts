/** The packages that an import names: found beside the file, or fetched, and judged before anything is applied. */

import { lookup as resolveName } from 'node:dns'
import { createWriteStream } from 'node:fs'
import { lstat, realpath } from 'node:fs/promises'
import { BlockList, isIP } from 'node:net'
import { isAbsolute, join, normalize } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { reasonOf, VersioncheckError } from '../../errors.ts'
import { FETCH_MS_MAX, FETCH_REDIRECTS_MAX, PACKAGE_BYTES_MAX } from '../../limits.ts'

/** The path of a package that a line names, or an Error that says why it may not be used. */
export async function findPackage(folder: string, path: string): Promise<string> {
  const relative = normalize(path)
  if (isAbsolute(path)) throw new Error('is absolute; it must be relative to the import file')
  if (relative === '..' || relative.startsWith('../')) throw new Error('leaves the folder of the import file')
  const home = await realpath(folder)
  const expected = join(home, relative)
  const actual = await realpath(expected).catch(() => undefined)
  if (actual === undefined) throw new Error('is not there')
  if (actual !== expected) throw new Error('is a symbolic link, or leads through one')
  if (!(await lstat(actual)).isFile()) throw new Error('is no file')
  return actual
}

/** Addresses that belong to somebody's own network (RFC 6890 and its kin): a fetch must not be a way into it. */
const privateAddresses = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  privateAddresses.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  privateAddresses.addSubnet(network, prefix, 'ipv6')
}
/** All that is handed out of IPv6, and IPv4 written so, which the lists judge as IPv4. What lies elsewhere leads home, or into IPv4 by another door. */
const reachable = new BlockList()
reachable.addSubnet('2000::', 3, 'ipv6')
reachable.addSubnet('::ffff:0:0', 96, 'ipv6')

export function isPrivateAddress(address: string): boolean {
  if (isIP(address) === 4) return privateAddresses.check(address, 'ipv4')
  return !reachable.check(address, 'ipv6') || privateAddresses.check(address, 'ipv6')
}

export interface Fetcher {
  /** Writes what is at an address to a file; throws `fetch_refused`. */
  fetch(url: string, to: string): Promise<void>
  close(): Promise<void>
}

/** Fetches over https; from private addresses, and over http, only where `allowPrivate`. Size, time and redirects have limits. */
export async function createFetcher({ allowPrivate }: { allowPrivate: boolean }): Promise<Fetcher> {
  // Loading it takes a tenth of a second, which no other command should pay.
  const { Agent, request } = await import('undici')
  // The address is judged where the connection is made, so a name that changes its mind in between gains nothing.
  const agent = new Agent({
    connect: {
      timeout: FETCH_MS_MAX,
      lookup(hostname, options, callback) {
        resolveName(hostname, { ...options, all: true }, (error, addresses) => {
          const open =
            error === null ? addresses.filter(({ address }) => allowPrivate || !isPrivateAddress(address)) : []
          const first = open[0]
          if (error !== null) callback(error, [])
          else if (first === undefined) callback(new Error(`${hostname} has no public address`), [])
          else if (options.all) callback(null, open)
          else callback(null, first.address, first.family)
        })
      },
    },
  })

  function check(url: URL): void {
    if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:')) throw new Error('it is not https')
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (!allowPrivate && isIP(host) !== 0 && isPrivateAddress(host)) {
      throw new Error('it is a private address; --allow-private permits it')
    }
  }

  return {
    async fetch(url, to) {
      try {
        const signal = AbortSignal.timeout(FETCH_MS_MAX)
        let next = new URL(url)
        for (let hops = 0; ; hops++) {
          check(next)
          const { statusCode, headers, body } = await request(next, { dispatcher: agent, signal })
          const { location } = headers
          if (statusCode >= 300 && statusCode < 400 && typeof location === 'string') {
            await body.dump()
            if (hops >= FETCH_REDIRECTS_MAX) throw new Error(`it redirects more than ${FETCH_REDIRECTS_MAX} times`)
            next = new URL(location, next)
            continue
          }
          if (statusCode !== 200) {
            await body.dump()
            throw new Error(`it answers ${statusCode}`)
          }
          await pipeline(body, limited(PACKAGE_BYTES_MAX), createWriteStream(to, { flags: 'wx', mode: 0o600 }), {
            signal,
          })
          return
        }
      } catch (cause) {
        throw new VersioncheckError('fetch_refused', `${url} can't be fetched: ${reasonOf(cause)}.`, { cause })
      }
    },
    close: () => agent.close(),
  }
}

function limited(bytesMax: number): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      bytes += chunk.length
      if (bytes > bytesMax) callback(new Error(`it has more than ${bytesMax} bytes`))
      else callback(null, chunk)
    },
  })
}
