/** The catalogue: its only writer, what it reads, explains and checks, and how it goes in and out of files. */

export { checkCatalogue, type CheckReport, type Problem } from './check.ts'
export { createEditor, type Editor } from './edit.ts'
export { explain, type Explanation } from './explain.ts'
export { allAddons, exportCatalogue, lineOf } from './export.ts'
export { type BadLine, type ImportReport, importFile } from './import/import.ts'
export { defaultFilename } from './merge.ts'
export { type AddonState, loadAddons, type StoredAddon, type VersionState } from './state.ts'
export { type Package, readPackage } from './xpi.ts'
