/** Which program this is, as Dockerflow wants it told at `/__version__`. */

import { existsSync, readFileSync } from 'node:fs'

export interface ProgramDescription {
  readonly version: string
  /** Empty where it was built outside of a repository. */
  readonly commit: string
  readonly source: string
  readonly build: string
}

/** From what the build has left beside the program. */
export function describeProgram(): ProgramDescription {
  const built = new URL('../../version.json', import.meta.url)
  if (existsSync(built)) return JSON.parse(readFileSync(built, 'utf8'))
  return { version: 'unbuilt', commit: '', source: '', build: '' }
}
