/** Packages: the store that keeps them and the downloads that serve them. */

export { createDownload } from './download.ts'
export { hashOfFile, openStore, type Store } from './store.ts'
