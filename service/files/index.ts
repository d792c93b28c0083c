/** Packages: the store that keeps them and the downloads that serve them. */

export { createDownload, type Download } from './download.ts'
export { openStore, type Store, sha256Of } from './store.ts'
