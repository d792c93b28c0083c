/**
 * Locks on files, by flock(2): the kernel drops them when their holder dies, however it dies. Node has no call for it, so the
 * `flock` of util-linux takes the lock on a descriptor that it inherits; the lock belongs to the open file, and stays with us.
 */

import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'

export interface Lock {
  release(): void
}

export interface LockOptions {
  /** Shared by any number of holders, or held by one. */
  readonly mode: 'shared' | 'exclusive'
  /** 0: take it now or not at all. */
  readonly waitS: number
}

/** Undefined where others hold it for longer than `waitS`. */
export async function tryLock(path: string, { mode, waitS }: LockOptions): Promise<Lock | undefined> {
  const descriptor = openSync(path, 'a', 0o600)
  const how = mode === 'shared' ? '--shared' : '--exclusive'
  const patience = waitS === 0 ? ['--nonblock'] : ['--wait', String(waitS)]
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn('flock', [how, ...patience, '3'], { stdio: ['ignore', 'ignore', 'ignore', descriptor] })
    child.once('error', reject)
    child.once('exit', resolve)
  })
  if (code !== 0) {
    closeSync(descriptor)
    return undefined
  }
  let held = true
  return {
    release() {
      if (held) closeSync(descriptor)
      held = false
    },
  }
}
