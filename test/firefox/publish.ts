/** Publishing as a publisher does it: a package, and our own command line. */

import { join } from 'node:path'
import { runCatalog } from '../harness/server.ts'
import type { Stack } from '../harness/stack.ts'
import { makeXpi, type XpiOptions } from '../harness/xpi.ts'

/** Makes a package and publishes it while the stack runs; resolves with its path once clients are told of it. */
export async function publish(stack: Stack, options: XpiOptions): Promise<string> {
  const path = await makeXpi(stack.folder, options)
  const { code, stdout, stderr } = await runCatalog(['version', 'add', options.id, path, '--json'], {
    DATA_DIR: join(stack.folder, 'data'),
  })
  if (code !== 0) throw new Error(`catalog version add ended with ${code}:\n${stderr}`)
  const { replicated } = JSON.parse(stdout)
  if (replicated !== true) throw new Error(`not replicated:\n${stdout}${stderr}`)
  return path
}
