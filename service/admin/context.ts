/** What every command has: its configuration, who runs it, how it prints, and the catalogue once it needs it. */

import { userInfo } from 'node:os'
import { confirm, isCancel } from '@clack/prompts'
import { createEditor, type Editor, lineFault } from '../catalogue/index.ts'
import {
  describeEndpoint,
  type Endpoint,
  type Followers,
  openFollowers,
  openPrimary,
  type Primary,
} from '../database/index.ts'
import { VersioncheckError } from '../errors.ts'
import { openStore, type Store } from '../files/index.ts'
import { ACTOR_LENGTH_MAX, REPLICAS_WAIT_S_MAX } from '../limits.ts'

/** What the program hands in: nothing here reads the environment. */
export interface AdminOptions {
  /** Connects to the databases that the configuration means; the schema is the right one by then. */
  readonly openDatabases: (progress: (line: string) => void) => Promise<AdminDatabases>
  readonly filesDir: string
  /** That links begin with. */
  readonly siteUrl: string
}

export interface AdminDatabases {
  readonly catalog: Endpoint
  /** The replicas that clients are answered from; none where that is the primary itself. */
  readonly replicas: readonly Endpoint[]
  close(): Promise<void>
}

/** The options that every command takes. */
export interface GlobalOptions {
  readonly json?: boolean
  readonly yes?: boolean
  readonly as?: string
}

export interface Session {
  readonly primary: Primary
  readonly editor: Editor
  readonly store: Store
  readonly followers: Followers
  readonly siteUrl: string
  readonly out: Output
  /** Asks before something is hidden; throws `confirmation_needed` where nobody can be asked. */
  confirm(question: string): Promise<void>
  /** Waits until the replicas have what this session wrote; warns where they haven't in time. Returns whether they have. */
  settle(): Promise<boolean>
}

/** Turns a command's work into what commander runs: arguments, then options. */
// biome-ignore lint/suspicious/noExplicitAny: commander hands over what each command has declared
export type Run = (work: (session: Session, ...args: any[]) => Promise<void>) => (...args: any[]) => Promise<void>

/** Prints a result as JSON, or as text for people; what is said in between goes to standard error. */
export interface Output {
  readonly json: boolean
  result(value: unknown, text: () => string): void
  note(line: string): void
}

/** Who does it, for the audit; throws `usage`. `user` tells of the system's user, and throws where that has no name. */
export function actorOf({ as }: GlobalOptions, user: () => { username: string } = userInfo): string {
  if (as !== undefined) {
    const fault = lineFault(as, ACTOR_LENGTH_MAX)
    if (fault !== undefined) throw new VersioncheckError('usage', `The name given with --as ${fault}.`)
    return as
  }
  try {
    return user().username
  } catch {
    return `uid ${process.getuid?.()}` // of a container, say, that is run as a user that its image doesn't know
  }
}

/** Opens the catalogue for one command and closes it again, whatever happens. */
export async function withSession<T>(
  { openDatabases, filesDir, siteUrl }: AdminOptions,
  globals: GlobalOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const out = createOutput(globals.json === true)
  const actor = actorOf(globals)
  const databases = await openDatabases(out.note)
  const followers = openFollowers(databases.replicas)
  try {
    const primary = await openPrimary(databases.catalog)
    try {
      const editor = createEditor({ primary, actor })
      return await work({
        primary,
        editor,
        store: openStore(filesDir),
        followers,
        siteUrl,
        out,
        confirm: (question) => confirmed(question, globals),
        async settle() {
          const position = await primary.position()
          if (position === undefined) return true
          const late = await followers.wait(position, REPLICAS_WAIT_S_MAX)
          for (const endpoint of late) {
            out.note(
              `warning: after ${REPLICAS_WAIT_S_MAX} s the replica ${describeEndpoint(endpoint)} doesn't have the change yet; it will follow.`,
            )
          }
          return late.length === 0
        },
      })
    } finally {
      await primary.close()
    }
  } finally {
    followers.close()
    await databases.close()
  }
}

export function createOutput(json: boolean): Output {
  return {
    json,
    result(value, text) {
      process.stdout.write(`${json ? JSON.stringify(value) : text()}\n`)
    },
    note(line) {
      process.stderr.write(`${line}\n`)
    },
  }
}

async function confirmed(question: string, { yes }: GlobalOptions): Promise<void> {
  if (yes === true) return
  if (process.stdin.isTTY && process.stderr.isTTY) {
    const answer = await confirm({ message: question, initialValue: false, output: process.stderr })
    if (!isCancel(answer) && answer) return
    throw new VersioncheckError('confirmation_needed', 'Not confirmed; nothing was changed.')
  }
  throw new VersioncheckError('confirmation_needed', `${question} Nobody can be asked here, so nothing was changed.`, {
    hint: 'Say so with --yes.',
  })
}
