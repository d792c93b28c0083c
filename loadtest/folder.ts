import { mkdirSync } from 'node:fs'
import { Failure } from './failure.ts'

/** Makes a folder that is to be written to, where it isn't there. Throws a `Failure` that says why it can't be. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'EEXIST' || code === 'ENOTDIR' ? 'there is a file in its place' : code
    throw new Failure(`The folder ${path} can't be made: ${why}.`, error)
  }
}
