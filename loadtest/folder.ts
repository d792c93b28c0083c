import { mkdirSync, mkdtempSync, rmdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Failure } from './failure.ts'

/** Makes a folder that is to be written to, where it isn't there. Throws a `Failure` that says why it can't be, or can't be written. */
export function makeFolder(path: string): void {
  try {
    makeLevels(resolve(path))
  } catch (error) {
    throw new Failure(`The folder ${path} can't be made: ${reasonOf(error)}.`, error)
  }
  try {
    // Permissions don't tell: root has all of them, in folders of the kernel too.
    rmdirSync(mkdtempSync(join(path, '.versioncheck-')))
  } catch (error) {
    throw new Failure(`The folder ${path} can't be written: ${reasonOf(error)}.`, error)
  }
}

/** One level after the other: Node's `recursive` never ends where a folder that is there can't have another one in it, as /proc. */
function makeLevels(path: string): void {
  try {
    makeLevel(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    makeLevels(dirname(path))
    makeLevel(path)
  }
}

/** Another process may make the same one at the same moment. */
function makeLevel(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EEXIST' || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
}

function reasonOf(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException
  return REASONS[code] ?? (code || message)
}

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: 'there is a file in its place',
  ENOTDIR: 'there is a file in its place',
  ENOENT: 'nothing can be made there',
  EACCES: 'you may not write there',
  EPERM: 'nothing can be made there',
  EROFS: 'that can only be read',
}
