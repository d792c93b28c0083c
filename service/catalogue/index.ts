/** The catalogue: its only writer, what it reads, explains and checks, and how it goes in and out of files. */

export { checkCatalogue } from './check.ts'
export { createEditor, type Editor } from './edit.ts'
export { explain } from './explain.ts'
export { exportCatalogue, lineOf } from './export.ts'
export { type ImportReport, importFile } from './import/import.ts'
export { publishPackage } from './publish.ts'
export { loadAddons, type StoredAddon } from './state.ts'
