/** The catalogue: its only writer, what it reads, explains and checks, and how it goes in and out of files. */

import type { ImportOptions, ImportReport } from './import/import.ts'

export { checkCatalogue } from './check.ts'
export { createEditor, type Editor } from './edit.ts'
export { explain } from './explain.ts'
export { exportCatalogue, lineOf } from './export.ts'
export type { ImportReport } from './import/import.ts'
export { publishPackage } from './publish.ts'
export { lineFault, proseFault } from './rules.ts'
export { loadAddons, type StoredAddon } from './state.ts'

/** Loaded when it is needed: its schemas take as long to make as all other commands to start. Throws `import_refused`. */
export async function importFile(options: ImportOptions): Promise<ImportReport> {
  const { importFile: run } = await import('./import/import.ts')
  return await run(options)
}
