/**
 * The configuration: environment variables, checked all at once, to one frozen object. Nobody else reads the environment for
 * settings. `variables` is also what `--help` and the README list; a test compares them.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Endpoint, parseEndpoint } from './database/index.ts'
import { reasonOf, VersioncheckError } from './errors.ts'
import { MEMORY_ENTRIES, MEMORY_ENTRIES_MAX, SNAPSHOT_AGE_MAX_S } from './limits.ts'
import { type LogLevel, logLevels } from './observe/index.ts'

export interface Config {
  readonly host: string
  readonly port: number
  /** Absolute. */
  readonly dataDir: string
  /** Absent: a private MariaDB in `dataDir`. */
  readonly database?: Endpoint
  /** Without user where the program's own account is meant. Empty: the primary is read. */
  readonly replicas: readonly Endpoint[]
  /** Without a slash at its end; absent: the address served. */
  readonly siteUrl?: string
  /** Absolute. */
  readonly filesDir: string
  readonly sample: boolean
  readonly tls?: { readonly certFile: string; readonly keyFile: string }
  readonly workers: number
  /** Add-ons held in memory at the most; 0: none. */
  readonly memoryEntries: number
  readonly batching: boolean
  readonly memcachedServers: readonly string[]
  readonly cachePrefix: string
  /** Absent: one that follows from the database's password. */
  readonly cacheSecret?: string
  readonly snapshotAgeMaxS: number
  /** Absent: no metrics. */
  readonly metricsPort?: number
  readonly logLevel: LogLevel
}

/** Name, default as shown, meaning: in the order of the README. */
export const variables = [
  ['HOST', '127.0.0.1', 'address to listen on; with any other than a loopback address SITE_URL is required'],
  ['PORT', '8080', 'port to listen on; 0: any free one'],
  ['SITE_URL', 'the address served', 'public base URL that links begin with'],
  ['DATA_DIR', '.data', 'folder of the private MariaDB and of the packages'],
  ['FILES_DIR', 'DATA_DIR/files', 'folder of the packages'],
  ['DATABASE_URL', 'a private MariaDB', 'mysql://USER:PASSWORD@HOST:PORT/NAME of the primary'],
  ['REPLICA_URLS', 'the primary', 'the replicas that are read, separated by commas; mysql://HOST:PORT/NAME will do'],
  ['SAMPLE', 'on', 'off: an empty private MariaDB stays empty'],
  ['TLS_CERT', '', 'file of the certificate chain (PEM); then TLS 1.2 and later is spoken'],
  ['TLS_KEY', '', "file of the certificate's key (PEM)"],
  ['WORKERS', '1', 'worker processes; 1 for now'],
  ['MEMORY_CACHE', 'on', 'off: no add-on is held in memory, each check asks the next tier'],
  ['MEMORY_CACHE_ENTRIES', '1000000', 'add-ons held in memory at the most'],
  ['BATCHING', 'on', 'off: each add-on that is not held is asked for by itself'],
  ['MEMCACHED_SERVERS', '', 'HOST:PORT of memcached servers, separated by commas; shared by all workers'],
  ['CACHE_PREFIX', 'versioncheck', 'begins the keys in memcached'],
  ['CACHE_SECRET', 'from the database password', 'seals what is kept in memcached; the same on all hosts'],
  ['SNAPSHOT_AGE_MAX', '259200', 'for how many seconds without a database what is held is offered'],
  ['METRICS_PORT', '', 'port of http://127.0.0.1:METRICS_PORT/metrics, in the text format of Prometheus'],
  ['LOG_LEVEL', 'info', logLevels.join(', ')],
] as const

type Name = (typeof variables)[number][0]

/** What is wrong with them is told without showing them: they have passwords in them. */
const SECRETS: ReadonlySet<Name> = new Set(['DATABASE_URL', 'REPLICA_URLS', 'CACHE_SECRET'])
type Environment = Readonly<Partial<Record<string, string>>>

/** Throws one `configuration_invalid` that names every variable that can't be used. */
export function readConfig(environment: Environment): Config {
  const mistakes: string[] = []
  const given = (name: Name) => (environment[name]?.trim() ?? '') !== ''

  /** What `parse` makes of a variable; undefined where it is absent, blank, or was reported. */
  function read<T>(name: Name, parse: (text: string) => T): T | undefined {
    if (!given(name)) return undefined
    const text = environment[name]?.trim() as string
    try {
      return parse(text)
    } catch (error) {
      const shown = SECRETS.has(name) || text.includes('@') ? '' : `, ${JSON.stringify(text)}`
      mistakes.push(`${name}${shown}: ${reasonOf(error)}.`)
      return undefined
    }
  }

  const host = read('HOST', parseHost) ?? '127.0.0.1'
  const dataDir = read('DATA_DIR', folderPath) ?? resolve('.data')
  const database = read('DATABASE_URL', (text) => parseEndpoint(text, { userRequired: true }))
  const replicas = read('REPLICA_URLS', parseReplicas) ?? []
  const siteUrl = read('SITE_URL', parseSiteUrl)
  const certFile = read('TLS_CERT', readablePath)
  const keyFile = read('TLS_KEY', readablePath)
  const tls = certFile !== undefined && keyFile !== undefined ? { certFile, keyFile } : undefined
  const cacheSecret = read('CACHE_SECRET', parseSecret)
  const metricsPort = read('METRICS_PORT', parsePort)
  const config: Config = {
    host,
    port: read('PORT', parsePort) ?? 8080,
    dataDir,
    ...(database && { database }),
    replicas,
    ...(siteUrl !== undefined && { siteUrl }),
    filesDir: read('FILES_DIR', folderPath) ?? join(dataDir, 'files'),
    sample: read('SAMPLE', parseSwitch) ?? true,
    ...(tls && { tls }),
    workers: read('WORKERS', parseWorkers) ?? 1,
    memoryEntries:
      (read('MEMORY_CACHE', parseSwitch) ?? true) ? (read('MEMORY_CACHE_ENTRIES', parseEntries) ?? MEMORY_ENTRIES) : 0,
    batching: read('BATCHING', parseSwitch) ?? true,
    memcachedServers: read('MEMCACHED_SERVERS', parseServers) ?? [],
    cachePrefix: read('CACHE_PREFIX', parsePrefix) ?? 'versioncheck',
    ...(cacheSecret !== undefined && { cacheSecret }),
    snapshotAgeMaxS: read('SNAPSHOT_AGE_MAX', parseSeconds) ?? SNAPSHOT_AGE_MAX_S,
    ...(metricsPort !== undefined && { metricsPort }),
    logLevel: read('LOG_LEVEL', parseLogLevel) ?? 'info',
  }

  if (given('TLS_CERT') && !given('TLS_KEY')) mistakes.push('TLS_KEY is missing: TLS_CERT needs it.')
  if (given('TLS_KEY') && !given('TLS_CERT')) mistakes.push('TLS_CERT is missing: TLS_KEY needs it.')
  if (tls !== undefined) mistakes.push(...pairMistakes(tls))
  if (!given('SITE_URL') && !isLoopback(host)) {
    mistakes.push(
      `SITE_URL is missing: with HOST ${host} links can't be made from the address. Write SITE_URL=https://addons.example.org`,
    )
  }
  if (given('REPLICA_URLS') && !given('DATABASE_URL')) {
    mistakes.push('DATABASE_URL is missing: REPLICA_URLS are replicas of it.')
  }
  if (mistakes.length > 0) {
    throw new VersioncheckError('configuration_invalid', `The environment can't be used:\n  ${mistakes.join('\n  ')}`, {
      hint: 'The variables and their defaults are listed in the README.',
    })
  }
  return Object.freeze(config)
}

function parseHost(text: string): string {
  if (!/^[\w.:-]+$/.test(text)) throw new Error('not an address. Write an IP address or a host name, without port')
  return text
}

function parsePort(text: string): number {
  return parseWhole(text, 0, 65_535)
}

function parseWorkers(text: string): number {
  if (parseWhole(text, 1, 1_024) !== 1) throw new Error('more than one worker is not supported yet. Write 1')
  return 1
}

function parseEntries(text: string): number {
  return parseWhole(text, 1, MEMORY_ENTRIES_MAX)
}

function parseSeconds(text: string): number {
  return parseWhole(text, 0, 999_999_999)
}

function parsePrefix(text: string): string {
  if (!/^[\w.-]{1,60}$/.test(text)) throw new Error('it may have 1 to 60 letters, digits and . _ -')
  return text
}

function parseSecret(text: string): string {
  if (text.length < 16) throw new Error('it is shorter than 16 characters')
  return text
}

function parseServers(text: string): string[] {
  return text.split(',').map((entry, index) => {
    const match = /^(?:\[?[\w.:-]+\]?):(\d{1,5})$/.exec(entry.trim())
    if (match === null || Number(match[1]) > 65_535) throw new Error(`entry ${index + 1} is not HOST:PORT`)
    return entry.trim()
  })
}

function parseWhole(text: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) throw new Error(`not a whole number from ${min} to ${max}`)
  return value
}

function parseSwitch(text: string): boolean {
  if (text !== 'on' && text !== 'off') throw new Error('neither on nor off')
  return text === 'on'
}

function parseLogLevel(text: string): LogLevel {
  const level = logLevels.find((known) => known === text)
  if (level === undefined) throw new Error(`not one of ${logLevels.join(', ')}`)
  return level
}

function parseReplicas(text: string): Endpoint[] {
  return text.split(',').map((entry, index) => {
    try {
      return parseEndpoint(entry.trim(), { userRequired: false })
    } catch (error) {
      throw new Error(`entry ${index + 1} is not usable, ${reasonOf(error)}. Write mysql://HOST:PORT/NAME`)
    }
  })
}

function parseSiteUrl(text: string): string {
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error('it must begin with http:// or https://')
  if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw new Error('it must have neither user, query nor fragment')
  }
  return url.href.replace(/\/+$/, '')
}

/** Of a folder that is there, or can be made: what stands in its way is told before anything is started. */
function folderPath(text: string): string {
  const path = resolve(text)
  let there = path
  while (!existsSync(there)) there = dirname(there)
  if (!statSync(there).isDirectory()) throw new Error(there === path ? 'it is a file' : `${there} is a file`)
  if (UNREAL_FILESYSTEMS.has(statfsSync(there).type)) throw new Error(`nothing can be kept below ${there}`)
  return path
}

/** Of /proc and /sys: Node tries to make a folder there for ever. PROC_SUPER_MAGIC and SYSFS_MAGIC of linux/magic.h. */
const UNREAL_FILESYSTEMS: ReadonlySet<number> = new Set([0x9fa0, 0x62656572])

function readablePath(text: string): string {
  const path = resolve(text)
  readFileSync(path)
  return path
}

/** What keeps the two files from being used together; nothing when they are a pair. */
function pairMistakes({ certFile, keyFile }: { certFile: string; keyFile: string }): string[] {
  try {
    const certificate = new X509Certificate(readFileSync(certFile))
    const key = createPrivateKey(readFileSync(keyFile))
    if (certificate.checkPrivateKey(key)) return []
    return [`TLS_KEY, ${JSON.stringify(keyFile)}: it is not the key of the certificate in TLS_CERT.`]
  } catch (error) {
    return [
      `TLS_CERT and TLS_KEY can't be used: ${reasonOf(error)}. Both must be PEM files, the key without a passphrase.`,
    ]
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)
}
