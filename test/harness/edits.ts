/** Edits as the command line makes them, without waiting for replicas. */

import type { FileStatus } from '../../service/addon/index.ts'
import type { AddonLine } from '../../service/catalogue/format.ts'
import type { Editor } from '../../service/catalogue/index.ts'
import { mergeLine } from '../../service/catalogue/merge.ts'

/** Withdraws a version, or offers it again. */
export async function setFileStatus(editor: Editor, guid: string, version: string, status: FileStatus): Promise<void> {
  await editor.edit({
    action: 'version.disable',
    guids: [guid],
    next: async (stored) => {
      const addon = stored.get(guid)
      if (addon === undefined) throw new Error(`${guid} is not there`)
      const versions = addon.versions.map((each) =>
        each.version === version ? { ...each, file: { ...each.file, status } } : each,
      )
      return [{ ...addon, versions }]
    },
  })
}

/** Merges lines of the interchange format in one transaction, as an import does; add-ons that aren't there are made. */
export async function mergeLines(editor: Editor, lines: readonly AddonLine[]): Promise<void> {
  await editor.edit({
    action: 'addon.import',
    guids: lines.map(({ guid }) => guid),
    next: async (stored) =>
      lines.map((line) =>
        mergeLine(stored.get(line.guid), line, {
          slug: line.guid.replaceAll(/[^\w-]/g, '-'),
          authors: undefined,
          packages: new Map(),
          now: '2026-01-01 00:00:00',
        }),
      ),
  })
}

/** The line of an add-on with these versions, the oldest first, for Firefox. */
export function lineWith(guid: string, ...versions: readonly string[]): AddonLine {
  return {
    guid,
    versions: versions.map((version) => ({ version, compatibility: { firefox: {} }, file: {} })),
  }
}
