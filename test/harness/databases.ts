/** Databases as an operator has them: a primary and replicas, reached by address, that a test can kill, hang, delay and restore. */

import { execFile } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { connect, execute } from '../../service/database/connection.ts'
import {
  type Endpoint,
  endpointAs,
  migrate,
  openFollowers,
  openPrimary,
  type Primary,
  parseEndpoint,
} from '../../service/database/index.ts'
import { identityOf } from '../../service/databases.ts'
import { findProgram, installDataFolder, type Mariadb, startMariadb } from '../../service/embedded/mariadb.ts'
import { freePort } from './ports.ts'
import { makeFolder } from './stack.ts'

export interface DatabaseServer {
  readonly port: number
  /** Of the owner. */
  readonly url: string
  readonly endpoint: Endpoint
  readonly isRunning: boolean
  kill(signal?: NodeJS.Signals): Promise<void>
  /** After `kill`; a replica goes on from where it was. */
  start(): Promise<void>
  /** Hangs: it holds its connections and answers nothing. */
  pause(): void
  resume(): void
  /** Statements as the owner, on a connection of their own. */
  rows(statement: string, values?: readonly (string | number)[]): Promise<Record<string, unknown>[]>
}

export interface Replica extends DatabaseServer {
  /** From now on it applies what the primary does so many seconds later. */
  lagBy(seconds: number): Promise<void>
  stopReplicating(): Promise<void>
  startReplicating(): Promise<void>
}

export interface Databases {
  readonly primary: DatabaseServer
  readonly replicas: readonly Replica[]
  /** What `main.js` and `catalog.js` are started with. */
  readonly environment: { readonly DATABASE_URL: string; readonly REPLICA_URLS: string }
  /** Waits until these replicas, or all, have what the primary has. */
  settle(replicas?: readonly Replica[]): Promise<void>
  /** Replaces what the primary has by a dump, as an operator does; replicas follow. */
  restore(dump: string): Promise<void>
  dump(): Promise<string>
  close(): Promise<void>
}

const DATABASE = 'versioncheck'
const OWNER = 'owner'
const PASSWORD = 'a-password-of-the-test'
const SETTLE_S = 30

/** Made, started and migrated; gone when the test ends. */
export async function startDatabases(
  t: Pick<Test, 'teardown'>,
  { replicas: count }: { readonly replicas: number },
): Promise<Databases> {
  const folder = await makeFolder(t)
  const seed = join(folder, 'seed')
  await installDataFolder(
    seed,
    [
      `CREATE USER '${OWNER}'@'127.0.0.1' IDENTIFIED BY '${PASSWORD}';`,
      `GRANT ALL PRIVILEGES ON *.* TO '${OWNER}'@'127.0.0.1' WITH GRANT OPTION;`,
      `CREATE DATABASE ${DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;`,
    ].join('\n'),
  )
  const servers: OpenServer[] = []
  const close = async () => {
    await Promise.all(servers.map((server) => server.close()))
  }
  t.teardown(close)
  const open = async (name: string, serverId: number, extra: readonly string[]) => {
    cpSync(seed, join(folder, name), { recursive: true })
    const server = await openServer({ folder, name, serverId, port: await freePort(), extra })
    servers.push(server)
    await server.start()
    return server
  }
  const primary = await open('primary', 1, [])
  const replicas: Replica[] = []
  for (let index = 1; index <= count; index++) {
    const server = await open(`replica-${index}`, index + 1, [
      '--read-only=1',
      '--relay-log=relay',
      '--relay-log-recovery=1',
    ])
    await server.rows('RESET MASTER')
    await server.rows(
      `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${primary.port}, MASTER_USER = '${OWNER}', MASTER_PASSWORD = '${PASSWORD}', MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos`,
    )
    replicas.push(replicaOf(server))
    await server.rows('START SLAVE')
  }
  await migrate(primary.endpoint)

  async function settle(some: readonly Replica[] = replicas): Promise<void> {
    const [row] = await primary.rows('SELECT @@gtid_binlog_pos AS position')
    const followers = openFollowers(some.map(({ endpoint }) => endpoint))
    try {
      const late = await followers.wait(row?.position as string, SETTLE_S)
      if (late.length > 0) throw new Error(`${late.length} replicas are still late after ${SETTLE_S} s`)
    } finally {
      followers.close()
    }
  }
  await settle()

  const client = async (program: string, args: readonly string[], input?: string) => {
    const connection = [`--host=127.0.0.1`, `--port=${primary.port}`, `--user=${OWNER}`, `--password=${PASSWORD}`]
    const running = promisify(execFile)(findProgram(program) as string, ['--no-defaults', ...connection, ...args], {
      maxBuffer: 512 * 1024 * 1024,
    })
    running.child.stdin?.end(input)
    return (await running).stdout
  }

  return {
    primary,
    replicas,
    environment: {
      DATABASE_URL: primary.url,
      REPLICA_URLS: replicas.map(({ port }) => `mysql://127.0.0.1:${port}/${DATABASE}`).join(','),
    },
    settle,
    dump: () => client('mariadb-dump', ['--single-transaction', DATABASE]),
    async restore(dump) {
      await client('mariadb', [DATABASE], dump)
    },
    close,
  }
}

/** The catalogue's own account, for editing within the test. */
export function openCatalog(databases: Databases): Promise<Primary> {
  return openPrimary(endpointAs(databases.primary.endpoint, 'catalog'))
}

interface OpenServer extends DatabaseServer {
  close(): Promise<void>
}

async function openServer(options: {
  readonly folder: string
  readonly name: string
  readonly serverId: number
  readonly port: number
  readonly extra: readonly string[]
}): Promise<OpenServer> {
  const { folder, name, serverId, port, extra } = options
  const url = `mysql://${OWNER}:${PASSWORD}@127.0.0.1:${port}/${DATABASE}`
  const endpoint = parseEndpoint(url, { userRequired: true })
  let server: Mariadb | undefined
  let paused = false

  async function answers(): Promise<boolean> {
    const connection = await connect(endpoint, { connectMs: 1_000 }).catch(() => undefined)
    connection?.destroy()
    return connection !== undefined
  }

  const resume = () => {
    if (paused && server !== undefined) process.kill(server.pid, 'SIGCONT')
    paused = false
  }

  return {
    port,
    url,
    endpoint,
    get isRunning() {
      return server !== undefined && !paused
    },
    async start() {
      server = await startMariadb(
        {
          dataFolder: join(folder, name),
          socketPath: join(folder, `${name}.sock`),
          logFile: join(folder, `${name}.log`),
          serverId,
          port,
          // Tests hold their data in memory's speed, not in the disk's.
          arguments: [
            ...extra,
            '--innodb-flush-log-at-trx-commit=2',
            '--sync-binlog=0',
            '--innodb-buffer-pool-size=64M',
          ],
        },
        answers,
      )
    },
    async kill(signal = 'SIGKILL') {
      const running = server
      server = undefined
      if (running === undefined) return
      if (paused) process.kill(running.pid, 'SIGCONT')
      paused = false
      process.kill(running.pid, signal)
      await running.ended
    },
    pause() {
      if (server !== undefined) process.kill(server.pid, 'SIGSTOP')
      paused = true
    },
    resume,
    async rows(statement, values = []) {
      const connection = await connect(endpoint, { connectMs: 5_000 })
      try {
        return await execute(connection, statement, values, { deadlineMs: 30_000 })
      } finally {
        connection.destroy()
      }
    },
    async close() {
      resume()
      await server?.stop()
      server = undefined
      rmSync(join(folder, name), { recursive: true, force: true })
    },
  }
}

function replicaOf(server: OpenServer): Replica {
  const start = server.start
  const replica: Replica = Object.create(server, {
    lagBy: {
      async value(seconds: number) {
        await server.rows('STOP SLAVE')
        await server.rows(`CHANGE MASTER TO MASTER_DELAY = ${seconds}`)
        await server.rows('START SLAVE')
      },
    },
    stopReplicating: { value: async () => void (await server.rows('STOP SLAVE')) },
    startReplicating: { value: async () => void (await server.rows('START SLAVE')) },
    start: {
      async value() {
        await start()
        await server.rows('START SLAVE')
      },
    },
  })
  return replica
}

/** Where a server that was started with such an environment keeps its snapshots. */
export function snapshotFolderOf({ DATA_DIR, DATABASE_URL }: { DATA_DIR: string; DATABASE_URL: string }): string {
  return join(DATA_DIR, 'snapshots', identityOf(parseEndpoint(DATABASE_URL, { userRequired: true })))
}
