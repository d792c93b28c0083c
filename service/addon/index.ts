/** What things are: guids, application versions, compatibility, the words of the catalogue. Pure; no database, no HTTP. */

export { type PackedVersion, packAppVersion, readAppVersion, splitPacked } from './app-version.ts'
export { type Application, formatFor, readsRdf } from './application.ts'
export { judge, type Mode, modeOf, type Range, type Verdict } from './compatibility.ts'
export { GUID_BYTES_MAX, type Guid, parseGuid } from './guid.ts'
export {
  type AddonStatus,
  type AddonType,
  addonStatuses,
  addonTypes,
  type Channel,
  channels,
  type FileStatus,
  fileStatuses,
  type ManifestFormat,
  manifestFormats,
  payments,
} from './vocabulary.ts'
