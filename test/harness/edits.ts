/** Edits as the command line makes them, without waiting for replicas. */

import type { FileStatus } from '../../service/addon/index.ts'
import type { Editor } from '../../service/catalogue/index.ts'

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
