/**
 * uWebSockets.js: which binary runs. The library isn't on the npm registry under its own name; `package.json` takes copies of
 * upstream's release binaries from two aliases (docs/decisions/0002-uwebsockets-binaries.md). The newest that this machine can
 * load is taken; one that isn't byte for byte what was reviewed is not loaded at all.
 */

import type * as Uws from 'uWebSockets.js'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { reasonOf, VersioncheckError } from '../errors.ts'
import { HEADER_BYTES_MAX } from '../limits.ts'

/** The constant is missing from the library's own types; the second is of ours. */
export type Library = typeof Uws & {
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number
  /** Names of headers may have underscores; otherwise such a request is cut off by the library. */
  readonly takesUnderscores: boolean
}

export interface LoadedLibrary {
  readonly uws: Library
  /** For the log: package, version and file. */
  readonly name: string
  readonly digest: string
  /** False for a package that isn't one of the two that were reviewed, such as upstream's own. */
  readonly pinned: boolean
}

/** SHA-256 of the Linux binaries that were reviewed, by package name, then `platform_arch_abi`. */
const pins: Record<string, Record<string, string>> = {
  '@btc-vision/uwebsockets.js': {
    linux_x64_115: '3c4cfd4f4673c591dbca82cdda94f7e0ad9bc298966c39a7bd259838c2b25d4f',
    linux_x64_127: '0e0af5d0e486b67e25dd5c6686f8f05be4504629404d5c1972c808ab5d8e4cc2',
    linux_x64_137: '9aa8b857ac4ab0bfb1245e948eeeacc904b13a3608c9a281d551c43c66bea66e',
    linux_x64_141: '0958d6d6dd863240494539d02a34d41de24a2d7c1552c4a41efb3744ec56298e',
    linux_arm64_115: '5f179165f9ade910999ce8724d71ecdcc4f7e1b944053683d98bfda62665e081',
    linux_arm64_127: 'db310856b4d36b2b6e83888c9faa87ccd65454e6157f457bf9cb4ebabaed7a65',
    linux_arm64_137: 'ad0ffb42a119ee022ba1fc752d942e5a19b863ce47bfdc909cd1d5bc1363a7a6',
    linux_arm64_141: '0d5d90b098e82bdb461f276c614942b0a33d85c922e403861c0990cc961cd13f',
  },
  '@trufflesuite/uws-js-unofficial': {
    linux_x64_115: 'f158fb441f7e2e37b3ab9a56782fe37f4c0d33b5cd32e96ee5c0120ce7db7ced',
    linux_arm64_115: 'fa46518766a985c6a79daef039f40cccd8e98e9a288f2ceaf31a0a18901bbfd5',
  },
}

/** Where the aliases keep their binaries, the preferred first. Their own index files are not run: one falls back to a slow imitation. */
const candidates = [
  { alias: 'uWebSockets.js', folder: '.', takesUnderscores: true },
  { alias: 'uws-unofficial', folder: 'binaries', takesUnderscores: false },
]

const require = createRequire(import.meta.url)

/** Loads the library, or throws `binary_refused` with what was wrong with each binary. */
export function loadLibrary(): LoadedLibrary {
  // Read by the newer binary as it loads; the older one has a fixed limit for requests that arrive in pieces.
  process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(HEADER_BYTES_MAX)
  const platform = `${process.platform}_${process.arch}_${process.versions.modules}`
  const refusals: string[] = []
  for (const { alias, folder, takesUnderscores } of candidates) {
    try {
      const home = packageFolder(alias)
      const { name, version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
      const file = join(home, folder, `uws_${platform}.node`)
      const digest = createHash('sha256').update(readFileSync(file)).digest('hex')
      const pin = pins[name]
      if (pin !== undefined && pin[platform] !== digest) throw new Error(`its digest ${digest} is not the reviewed one`)
      const uws = Object.assign(require(file), { takesUnderscores })
      return { uws, name: `${name} ${version} ${platform}`, digest, pinned: pin !== undefined }
    } catch (error) {
      refusals.push(`${alias}: ${reasonOf(error).split('\n')[0]}`)
    }
  }
  throw new VersioncheckError(
    'binary_refused',
    `uWebSockets.js has no usable binary for ${platform}. ${refusals.join('; ')}`,
    { hint: 'Run on Linux with glibc: Node 20 on Debian 12, or Node 20, 22, 24 or 25 on Debian 13 and later.' },
  )
}

function packageFolder(alias: string): string {
  for (const folder of require.resolve.paths(alias) ?? []) {
    const home = join(folder, alias)
    try {
      readFileSync(join(home, 'package.json'))
      return home
    } catch {
      // not in this node_modules; try the next one up
    }
  }
  throw new Error(`not installed below ${dirname(import.meta.filename)}`)
}
