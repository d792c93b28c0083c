/** The catalogue: its only writer, what it reads, explains and checks, and how it goes in and out of files. */

export { checkCatalogue, type CheckReport, type Problem } from './check.ts'
export { createEditor, type Editor } from './edit.ts'
export { explain, type Explanation } from './explain.ts'
export { allAddons, exportCatalogue, lineOf } from './export.ts'
export { type BadLine, type ImportReport, importFile } from './import/import.ts'
export { type Published, publishPackage } from './publish.ts'
export { loadAddons, type StoredAddon } from './state.ts'
