/**
 * The private database of a DATA_DIR: a primary and one replica, which follows it by GTID. One process owns it, starts and stops
 * it; others on the same DATA_DIR use it for as long as it runs, and its owner waits for them before it stops.
 *
 *     DATA_DIR/owner.lock    held by the owner
 *     DATA_DIR/users.lock    shared by everybody who is connected; held alone by an owner who stops
 *     DATA_DIR/private.json  where the servers listen, and the owner's password (0600)
 *     DATA_DIR/mariadb/      primary/ and replica/, the data
 *     DATA_DIR/run/          the sockets, unless their names would be too long
 */

import { randomBytes } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Endpoint, openFollowers, openPrimary, type Primary } from '../database/index.ts'
import { reasonOf, VersioncheckError } from '../errors.ts'
import { MARIADB_START_MS_MAX, SOCKET_PATH_BYTES_MAX } from '../limits.ts'
import { type Lock, tryLock } from '../lock.ts'
import { installDataFolder, type Mariadb, requireMariadb, startMariadb } from './mariadb.ts'

export interface PrivateDatabase {
  /** The owner's view of the two servers. */
  readonly primary: Endpoint
  readonly replica: Endpoint
  close(): Promise<void>
}

export interface PrivateDatabaseOptions {
  /** Absolute. */
  readonly dataDir: string
  /** Told what takes long, a line each. */
  readonly progress: (line: string) => void
}

interface State {
  readonly password: string
  readonly replicationPassword: string
  /** Where the servers listen while they run; absent while they don't. */
  readonly sockets?: { readonly primary: string; readonly replica: string }
}

const DATABASE = 'versioncheck'
const OWNER = 'versioncheck'
const REPLICATION = 'replication'
/** How long an owner waits for other users, and a user for an owner that is starting or stopping. */
const OTHERS_WAIT_S = 600
/** How long a replica may take to catch up at a start; it is served late after that. */
const REPLICA_CATCHES_UP_S = 30
/** Between the unexpected end of a server and its next start. */
const RESTART_MS = 250

/** Owns the private database, and makes it where there is none. Throws `data_dir_in_use` where another process owns it. */
export async function startPrivateDatabase(options: PrivateDatabaseOptions): Promise<PrivateDatabase> {
  const { dataDir } = options
  requireMariadb()
  prepareFolder(dataDir)
  const owner = await tryLock(join(dataDir, 'owner.lock'), { mode: 'exclusive', waitS: 0 })
  if (owner === undefined) {
    throw new VersioncheckError('data_dir_in_use', `DATA_DIR ${dataDir} is in use by another versioncheck.`, {
      hint: 'Stop that one, or give this one a folder of its own: DATA_DIR=.data2 PORT=8081 npm start',
    })
  }
  return await start(options, owner, { waitForUsers: false })
}

/** Uses the private database: the one that runs, or one that is started for as long as it is used. */
export async function usePrivateDatabase(options: PrivateDatabaseOptions): Promise<PrivateDatabase> {
  const { dataDir } = options
  prepareFolder(dataDir)
  const user = await tryLock(join(dataDir, 'users.lock'), { mode: 'shared', waitS: OTHERS_WAIT_S })
  if (user === undefined) throw busy(dataDir)
  const close = async () => user.release()
  try {
    const giveUpAt = Date.now() + MARIADB_START_MS_MAX
    while (Date.now() < giveUpAt) {
      const owner = await tryLock(join(dataDir, 'owner.lock'), { mode: 'exclusive', waitS: 0 })
      if (owner !== undefined) {
        user.release()
        return await start(options, owner, { waitForUsers: true })
      }
      const endpoints = await runningEndpoints(dataDir)
      if (endpoints !== undefined) return { ...endpoints, close }
      await sleep(50) // its owner is starting, or stopping
    }
    throw busy(dataDir)
  } catch (error) {
    user.release()
    throw error
  }
}

async function start(
  { dataDir, progress }: PrivateDatabaseOptions,
  owner: Lock,
  { waitForUsers }: { waitForUsers: boolean },
): Promise<PrivateDatabase> {
  const servers: KeptServer[] = []
  let runFolder: string | undefined
  let closing: Promise<void> | undefined

  async function stop(): Promise<void> {
    const lock = join(dataDir, 'users.lock')
    let alone = await tryLock(lock, { mode: 'exclusive', waitS: 0 })
    if (alone === undefined && waitForUsers) {
      progress('waiting for other commands that use the private MariaDB')
      alone = await tryLock(lock, { mode: 'exclusive', waitS: OTHERS_WAIT_S })
    }
    if (servers.length > 0) {
      const { sockets: _, ...state } = readState(dataDir)
      writeState(dataDir, state)
    }
    await Promise.all(servers.map((server) => server.stop()))
    if (runFolder !== undefined) rmSync(runFolder, { recursive: true, force: true })
    alone?.release()
    owner.release()
  }

  function close(): Promise<void> {
    closing ??= stop()
    return closing
  }

  try {
    await ensureData(dataDir, progress)
    const state = readState(dataDir)
    runFolder = makeRunFolder(dataDir)
    const sockets = { primary: join(runFolder, 'primary.sock'), replica: join(runFolder, 'replica.sock') }
    const { primary, replica } = endpointsOf({ ...state, sockets })
    const port = await freePort()
    const logs = join(dataDir, 'log')
    mkdirSync(logs, { recursive: true, mode: 0o700 })
    const launchPrimary = () =>
      startMariadb(
        {
          dataFolder: join(dataDir, 'mariadb', 'primary'),
          socketPath: sockets.primary,
          logFile: join(logs, 'primary.log'),
          serverId: 1,
          port,
        },
        () => answers(primary),
      )
    const launchReplica = () =>
      startMariadb(
        {
          dataFolder: join(dataDir, 'mariadb', 'replica'),
          socketPath: sockets.replica,
          logFile: join(logs, 'replica.log'),
          serverId: 2,
          arguments: ['--read-only=1', '--relay-log=relay', '--relay-log-recovery=1', '--slave-net-timeout=10'],
        },
        () => answers(replica),
      )
    const restarted = (name: string) => (how: string) => progress(`the private ${name} ${how}; starting it again`)
    const running = await Promise.allSettled([
      keep(launchPrimary, { onEnd: restarted('primary') }),
      keep(launchReplica, { onEnd: restarted('replica'), onStart: () => startReplicating(replica) }),
    ])
    for (const result of running) if (result.status === 'fulfilled') servers.push(result.value)
    for (const result of running) if (result.status === 'rejected') throw result.reason
    await follow({ dataDir, primary, replica, port, password: state.replicationPassword })
    writeState(dataDir, { ...state, sockets })
    return { primary, replica, close }
  } catch (error) {
    await close()
    throw error
  }
}

interface KeptServer {
  stop(): Promise<void>
}

/** Starts a server, and starts it again whenever it ends without having been told to. */
async function keep(
  launch: () => Promise<Mariadb>,
  { onEnd, onStart }: { onEnd: (how: string) => void; onStart?: () => Promise<void> },
): Promise<KeptServer> {
  let server = await launch()
  let stopping = false
  const watch = async () => {
    for (;;) {
      const how = await server.ended
      if (stopping) return
      onEnd(how)
      do await sleep(RESTART_MS)
      while (!stopping && !(await relaunched()))
    }
  }
  const relaunched = async () => {
    try {
      server = await launch()
      if (stopping) await server.stop()
      else await onStart?.()
      return true
    } catch (error) {
      onEnd(reasonOf(error))
      return false
    }
  }
  void watch()
  return {
    async stop() {
      stopping = true
      await server.stop()
    },
  }
}

/** Makes what is missing of the data. A replica that is a fresh copy is marked so until it follows. */
async function ensureData(dataDir: string, progress: (line: string) => void): Promise<void> {
  const data = join(dataDir, 'mariadb')
  if (!existsSync(join(data, 'primary'))) {
    progress('making a private MariaDB: a primary and a replica')
    const building = join(dataDir, 'mariadb.new')
    rmSync(building, { recursive: true, force: true })
    const state: State = { password: secret(), replicationPassword: secret() }
    await installDataFolder(
      join(building, 'primary'),
      [
        `CREATE USER '${OWNER}'@'localhost' IDENTIFIED BY '${state.password}';`,
        `GRANT ALL PRIVILEGES ON *.* TO '${OWNER}'@'localhost' WITH GRANT OPTION;`,
        `CREATE USER '${REPLICATION}'@'127.0.0.1' IDENTIFIED BY '${state.replicationPassword}';`,
        `GRANT REPLICATION SLAVE ON *.* TO '${REPLICATION}'@'127.0.0.1';`,
        `CREATE DATABASE ${DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;`,
      ].join('\n'),
    )
    writeState(dataDir, state)
    renameSync(building, data)
  }
  if (existsSync(join(data, 'replica'))) return
  // Neither server runs: a copy of the primary's folder is a copy of its data.
  const copy = join(data, 'replica.new')
  rmSync(copy, { recursive: true, force: true })
  cpSync(join(data, 'primary'), copy, { recursive: true, filter: (path) => !/\/(?:binlog\.|server\.pid)/.test(path) })
  writeFileSync(freshMark(dataDir), '')
  renameSync(copy, join(data, 'replica'))
}

function freshMark(dataDir: string): string {
  return join(dataDir, 'mariadb', 'replica.fresh')
}

/** Has the replica follow the primary, which listens elsewhere at each start, and waits until it has all of it. */
async function follow(options: {
  dataDir: string
  primary: Endpoint
  replica: Endpoint
  port: number
  password: string
}): Promise<void> {
  const { dataDir, primary, replica, port, password } = options
  const [onPrimary, onReplica] = await Promise.all([openPrimary(primary), openPrimary(replica)])
  const followers = openFollowers([replica])
  try {
    const [row] = await onPrimary.rows('SELECT @@gtid_binlog_pos AS position')
    const position = String(row?.position ?? '')
    if (existsSync(freshMark(dataDir))) {
      await onReplica.write('RESET MASTER')
      await onReplica.write('SET GLOBAL gtid_slave_pos = ?', [position])
    }
    await onReplica.write(
      "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ?, MASTER_USER = ?, MASTER_PASSWORD = ?, MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos",
      [port, REPLICATION, password],
    )
    await onReplica.write('START SLAVE')
    if (position !== '') await followers.wait(position, REPLICA_CATCHES_UP_S)
    await assertFollowing(onReplica)
    rmSync(freshMark(dataDir), { force: true })
  } finally {
    followers.close()
    await Promise.all([onPrimary.close(), onReplica.close()])
  }
}

async function startReplicating(replica: Endpoint): Promise<void> {
  const onReplica = await openPrimary(replica)
  await onReplica.write('START SLAVE').finally(() => onReplica.close())
}

async function assertFollowing(onReplica: Primary): Promise<void> {
  const [status] = await onReplica.rows('SHOW SLAVE STATUS')
  const reason = status?.Last_SQL_Error || status?.Last_IO_Error
  if (status?.Slave_SQL_Running === 'Yes' && !reason) return
  throw new VersioncheckError('mariadb_failed', `The private replica doesn't follow its primary: ${reason}`, {
    hint: 'Remove the folder mariadb/replica of DATA_DIR: it is copied anew from the primary.',
  })
}

async function answers(endpoint: Endpoint): Promise<boolean> {
  try {
    await (await openPrimary(endpoint)).close()
    return true
  } catch (error) {
    if (error instanceof VersioncheckError) return false
    throw error
  }
}

/** Where the servers listen, if they do. */
async function runningEndpoints(dataDir: string): Promise<Omit<PrivateDatabase, 'close'> | undefined> {
  if (!existsSync(join(dataDir, 'private.json'))) return undefined
  const state = readState(dataDir)
  const endpoints = endpointsOf(state)
  return state.sockets !== undefined && (await answers(endpoints.primary)) ? endpoints : undefined
}

function endpointsOf({ password, sockets }: State): { primary: Endpoint; replica: Endpoint } {
  const at = (socketPath = ''): Endpoint => ({
    host: 'localhost',
    port: 0,
    socketPath,
    user: OWNER,
    password,
    database: DATABASE,
  })
  return { primary: at(sockets?.primary), replica: at(sockets?.replica) }
}

function prepareFolder(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    if (!statSync(dataDir).isDirectory()) throw new Error('it is no folder')
  } catch (cause) {
    throw new VersioncheckError('configuration_invalid', `DATA_DIR ${dataDir} can't be used: ${reasonOf(cause)}.`, {
      hint: 'Set DATA_DIR to a folder that this user may write.',
      cause,
    })
  }
}

/** Where the sockets lie: in DATA_DIR, or, where their names would be longer than the kernel takes, in a folder of /tmp that only we may enter. */
function makeRunFolder(dataDir: string): string {
  const folder = join(dataDir, 'run')
  if (Buffer.byteLength(join(folder, 'primary.sock')) > SOCKET_PATH_BYTES_MAX) {
    return mkdtempSync(join(tmpdir(), 'versioncheck-'))
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

function readState(dataDir: string): State {
  return JSON.parse(readFileSync(join(dataDir, 'private.json'), 'utf8'))
}

function writeState(dataDir: string, state: State): void {
  const path = join(dataDir, 'private.json')
  writeFileSync(`${path}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600, flush: true })
  renameSync(`${path}.new`, path)
}

function secret(): string {
  return randomBytes(24).toString('base64url')
}

function busy(dataDir: string): VersioncheckError {
  return new VersioncheckError(
    'data_dir_in_use',
    `The private database of ${dataDir} is being started or stopped by another process.`,
    {
      hint: 'Try again in a moment.',
    },
  )
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject)
    probe.listen({ host: '127.0.0.1', port: 0 }, resolve)
  })
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}
