/** The vectors: black-box cases of the update check (contract section 8), read from `test/update/vectors.json`. */

import { readFileSync } from 'node:fs'

export interface Vector {
  readonly name: string
  readonly catalog: { readonly site_url: string; readonly addons: readonly VectorAddon[] }
  readonly request: {
    readonly method: string
    readonly path: string
    readonly query?: Readonly<Record<string, string>>
    readonly raw_query?: string
    readonly headers?: Readonly<Record<string, string>>
  }
  readonly expect: {
    readonly status: number
    readonly result: 'update' | 'no_update' | 'empty' | 'head' | 'not_modified'
    readonly version?: string
    readonly file_id?: number
    readonly strict_min_version?: string
    readonly strict_max_version?: string
    readonly update_hash?: string
    readonly update_info_url?: string
    readonly update_link_suffix?: string
    readonly absent?: readonly string[]
    readonly body_json?: unknown
    readonly body_text?: string
    readonly headers?: Readonly<Record<string, string>>
  }
}

interface VectorAddon {
  readonly id: number
  readonly guid: string
  readonly slug: string
  readonly type: string
  readonly status: string
  readonly disabled_by_user: boolean
  readonly versions: readonly {
    readonly id: number
    readonly version: string
    readonly channel: string
    readonly deleted: boolean
    readonly release_notes: boolean
    readonly apps: readonly { readonly app: string; readonly min: string; readonly max: string }[]
    readonly files: readonly {
      readonly id: number
      readonly status: string
      readonly hash: string
      readonly size: number
      readonly filename: string
      readonly strict_compat: boolean
    }[]
  }[]
}

interface VectorFile {
  readonly version_encoding: { readonly modern: readonly (readonly [string, number])[] }
  readonly vectors: readonly Vector[]
}

export function readVectors(): VectorFile {
  // Packed versions pass 2^53: they are read as text.
  const text = readFileSync(new URL('../update/vectors.json', import.meta.url), 'utf8')
  return JSON.parse(text.replaceAll(/^(\s+)(\d{16,})$/gm, '$1"$2"'))
}

/** The catalogue of a vector in the interchange format. */
export function catalogueOf({ catalog }: Vector): unknown[] {
  return catalog.addons.map(({ versions, ...addon }) => ({
    ...addon,
    versions: versions.map(({ apps, files: [file], release_notes: notes, ...version }) => ({
      ...version,
      release_notes: notes ? { 'en-US': 'what is new' } : null,
      compatibility: Object.fromEntries(apps.map(({ app, min, max }) => [app, { min, max }])),
      file: file && {
        id: file.id,
        status: file.status === 'awaiting' ? 'awaiting_review' : file.status,
        hash: file.hash,
        size: file.size,
        filename: file.filename,
        strict_compatibility: file.strict_compat,
      },
    })),
  }))
}
