/**
 * The store of packages: files named by what is in them, `FILES_DIR/ab/cd…` for the SHA-256 `abcd…`. A file appears whole or not
 * at all, and is on disk before anything in the database may name it. The same bytes are kept once.
 */

import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export interface Store {
  /** Copies a file in and returns its SHA-256 in hex. What it returns survives a power cut. */
  take(path: string): Promise<string>
  /** Undefined where the store hasn't got it. The caller closes it. */
  open(digest: string): Promise<FileHandle | undefined>
  /** Bytes; undefined where the store hasn't got it. */
  sizeOf(digest: string): Promise<number | undefined>
  /** Whether the file's bytes are still those its name says; undefined where the store hasn't got it. */
  isIntact(digest: string): Promise<boolean | undefined>
  /** Another hash of it, in hex. Rejects where the store hasn't got it. */
  hashOf(digest: string, algorithm: string): Promise<string>
  /** For copies: where the file lies. */
  pathOf(digest: string): string
}

/** A copy that nobody has written to for so long was left by a process that was killed. */
const STALE_MS = 86_400_000
const INCOMING = 'incoming-'

export function openStore(folder: string): Store {
  let isSwept = false
  const pathOf = (digest: string) => join(folder, digest.slice(0, 2), digest.slice(2))

  return {
    pathOf,
    async take(path) {
      await mkdir(folder, { recursive: true })
      if (!isSwept) await sweep(folder)
      isSwept = true
      const incoming = join(folder, `${INCOMING}${randomUUID()}`)
      try {
        const digest = await copySynced(path, incoming)
        const home = pathOf(digest)
        if ((await this.isIntact(digest)) !== true) {
          await mkdir(dirname(home), { recursive: true })
          await rename(incoming, home)
          await syncFolder(dirname(home))
          await syncFolder(folder)
        }
        return digest
      } finally {
        await rm(incoming, { force: true })
      }
    },
    async open(digest) {
      return await open(pathOf(digest)).catch(undefinedWhereMissing)
    },
    async sizeOf(digest) {
      return (await stat(pathOf(digest)).catch(undefinedWhereMissing))?.size
    },
    async isIntact(digest) {
      const digestNow = await hashOfFile(pathOf(digest), 'sha256').catch(undefinedWhereMissing)
      return digestNow === undefined ? undefined : digestNow === digest
    },
    hashOf: (digest, algorithm) => hashOfFile(pathOf(digest), algorithm),
  }
}

/** Hash of a file, in hex. */
export async function hashOfFile(path: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm)
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
}

async function sweep(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(INCOMING))
  for (const path of names.map((name) => join(folder, name))) {
    const { mtimeMs = Date.now() } = (await stat(path).catch(undefinedWhereMissing)) ?? {}
    if (Date.now() - mtimeMs > STALE_MS) await rm(path, { force: true })
  }
}

async function copySynced(from: string, to: string): Promise<string> {
  const hash = createHash('sha256')
  const target = await open(to, 'wx', 0o644)
  try {
    for await (const chunk of createReadStream(from)) {
      hash.update(chunk)
      await target.writeFile(chunk)
    }
    await target.sync()
  } finally {
    await target.close()
  }
  return hash.digest('hex')
}

/** A rename is on disk when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function undefinedWhereMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
  return undefined
}
