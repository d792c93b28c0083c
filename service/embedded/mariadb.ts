/** One MariaDB server of our own: its data folder is made, it is started, it is stopped. It dies with us, however we die. */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { reasonOf, VersioncheckError } from '../errors.ts'
import { MARIADB_START_MS_MAX, MARIADB_STOP_MS_MAX } from '../limits.ts'

export interface MariadbOptions {
  /** Absolute: it shows on the server's command line, so that whoever looks at it knows whose server it is. */
  readonly dataFolder: string
  readonly socketPath: string
  readonly logFile: string
  readonly serverId: number
  /** On 127.0.0.1; undefined: the socket only. */
  readonly port?: number
  readonly arguments?: readonly string[]
}

export interface Mariadb {
  readonly pid: number
  /** Resolves with a description of its end, whenever it ends. */
  readonly ended: Promise<string>
  stop(): Promise<void>
}

/** Debian keeps servers where only root looks. */
const SERVER_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/libexec']

/** Settings of every private server. What is committed is on disk; binlogs go after three days. */
const SETTINGS = [
  '--skip-name-resolve',
  '--character-set-server=utf8mb4',
  '--gtid-domain-id=0',
  '--gtid-strict-mode=1',
  '--log-bin=binlog',
  '--binlog-format=ROW',
  '--sync-binlog=1',
  '--binlog-expire-logs-seconds=259200',
  '--max-binlog-size=256M',
  '--innodb-flush-log-at-trx-commit=1',
  '--innodb-buffer-pool-size=256M',
  '--innodb-log-file-size=64M',
  '--innodb-flush-method=fsync',
  // Nearly all that is asked for is one row by its key.
  '--innodb-adaptive-hash-index=ON',
  '--max-connections=200',
  '--max-allowed-packet=256M',
  '--skip-slave-start',
]

/** Path of a program, or undefined where it isn't installed. */
export function findProgram(name: string): string | undefined {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...SERVER_FOLDERS]) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // not in this folder
    }
  }
  return undefined
}

/** Throws `mariadb_missing` unless the programs are there. */
export function requireMariadb(): { server: string; install: string } {
  const server = findProgram('mariadbd')
  const install = findProgram('mariadb-install-db')
  if (server !== undefined && install !== undefined) return { server, install }
  throw new VersioncheckError(
    'mariadb_missing',
    `${server === undefined ? 'mariadbd' : 'mariadb-install-db'} is not installed.`,
    {
      hint: 'As root: apt-get install mariadb-server-core mariadb-client-core. Or set DATABASE_URL to a server of yours.',
    },
  )
}

/** Makes an empty data folder whose only accounts are those that `sql` creates. */
export async function installDataFolder(dataFolder: string, sql: string): Promise<void> {
  const { install } = requireMariadb()
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
  const extra = `${dataFolder}.sql`
  writeFileSync(
    extra,
    `FLUSH PRIVILEGES;\nDELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';\nFLUSH PRIVILEGES;\n${sql}\n`,
    {
      mode: 0o600,
    },
  )
  const args = [
    '--no-defaults',
    `--datadir=${dataFolder}`,
    `--extra-file=${extra}`,
    '--skip-test-db',
    // No name of this machine is granted anything, so none needs to be looked up.
    '--skip-name-resolve',
    '--force',
    '--auth-root-authentication-method=normal',
    '--innodb-log-file-size=64M',
    ...runAs(),
  ]
  try {
    const TMPDIR = temporaryFolderOf(dataFolder)
    await promisify(execFile)('setpriv', ['--pdeathsig', 'TERM', '--', install, ...args], {
      env: { ...process.env, TMPDIR },
    })
  } catch (cause) {
    const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string }
    throw new VersioncheckError(
      'mariadb_failed',
      `mariadb-install-db failed: ${lastLines(stderr || stdout || reasonOf(cause))}`,
      { cause },
    )
  } finally {
    await rm(extra, { force: true })
  }
}

/** Starts a server. Resolves when `isReady` has resolved to true; rejects with `mariadb_failed` and the end of its log. */
export async function startMariadb(options: MariadbOptions, isReady: () => Promise<boolean>): Promise<Mariadb> {
  const { dataFolder, socketPath, logFile, serverId, port } = options
  const { server } = requireMariadb()
  const networking = port === undefined ? ['--skip-networking'] : ['--bind-address=127.0.0.1', `--port=${port}`]
  const args = [
    '--no-defaults',
    `--datadir=${dataFolder}`,
    `--socket=${socketPath}`,
    `--pid-file=${join(dataFolder, 'server.pid')}`,
    `--log-error=${logFile}`,
    `--tmpdir=${temporaryFolderOf(dataFolder)}`,
    `--server-id=${serverId}`,
    ...networking,
    ...SETTINGS,
    ...(options.arguments ?? []),
    ...runAs(),
  ]
  await previousServerGone(join(dataFolder, 'server.pid'), dataFolder)
  // A session of its own: Ctrl-C reaches only us, and we stop it in order. The kernel tells it when we die.
  // What tunes our own memory is not meant for it.
  const { GLIBC_TUNABLES: _, ...env } = process.env
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', server, ...args], {
    detached: true,
    stdio: 'ignore',
    env,
  })
  let end: string | undefined
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`can't be started: ${reasonOf(error)}`))
    child.once('exit', (code, signal) =>
      resolve(signal === null ? `ended with code ${code}` : `was killed by ${signal}`),
    )
  }).then((text) => {
    end = text
    return text
  })

  const giveUpAt = Date.now() + MARIADB_START_MS_MAX
  while (end === undefined && !(await isReady())) {
    if (Date.now() > giveUpAt) {
      await stop(child, ended)
      end = `did not answer within ${MARIADB_START_MS_MAX / 1000} s`
      break
    }
    await sleep(20)
  }
  if (end !== undefined) {
    throw new VersioncheckError('mariadb_failed', `The private MariaDB ${end}: ${readLogEnd(logFile)}`, {
      hint: `Its whole log is in ${logFile}.`,
    })
  }
  return { pid: child.pid as number, ended, stop: () => stop(child, ended) }
}

/** One of its own: a server that starts removes the temporary tables it finds in its folder, whoever's they are. */
function temporaryFolderOf(dataFolder: string): string {
  const folder = `${dataFolder}.tmp`
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

async function stop(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), MARIADB_STOP_MS_MAX)
  await ended
  clearTimeout(timer)
}

/** After a crash of its parent a server needs a moment to go; it would still hold the data. */
async function previousServerGone(pidFile: string, dataFolder: string): Promise<void> {
  const giveUpAt = Date.now() + MARIADB_START_MS_MAX
  while (Date.now() < giveUpAt && runs(pidFile, dataFolder)) await sleep(20)
}

function runs(pidFile: string, dataFolder: string): boolean {
  try {
    const pid = readFileSync(pidFile, 'utf8').trim()
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(`--datadir=${dataFolder}`)
  } catch {
    return false
  }
}

/** mariadbd refuses root unless it is told that root is meant. */
function runAs(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : []
}

function readLogEnd(logFile: string): string {
  try {
    return lastLines(readFileSync(logFile, 'utf8'))
  } catch {
    return 'it wrote no log'
  }
}

function lastLines(text: string): string {
  const lines = text.trim().split('\n')
  const errors = lines.filter((line) => line.includes('[ERROR]'))
  return (errors.length > 0 ? errors : lines).slice(-3).join(' / ')
}
