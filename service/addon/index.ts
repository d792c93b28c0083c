/** What things are: guids, application versions, compatibility, the words of the catalogue. Pure; no database, no HTTP. */

export { type PackedVersion, packAppVersion, readAppVersion, splitPacked, unpackAppVersion } from './app-version.ts'
export { type Application, formatFor } from './application.ts'
export { judge, type Mode, type Verdict } from './compatibility.ts'
export { GUID_BYTES_MAX, parseGuid } from './guid.ts'
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
