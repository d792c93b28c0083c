/** The words of the catalogue: what an add-on, a file or a version can be (contract `import-format.md`). */

export const addonTypes = [
  'extension',
  'theme',
  'dictionary',
  'langpack',
  'langpack-addon',
  'search',
  'plugin',
  'webapp',
] as const
export type AddonType = (typeof addonTypes)[number]

export const addonStatuses = ['incomplete', 'nominated', 'approved', 'disabled', 'deleted'] as const
export type AddonStatus = (typeof addonStatuses)[number]

export const fileStatuses = ['awaiting_review', 'approved', 'disabled'] as const
export type FileStatus = (typeof fileStatuses)[number]

export const channels = ['listed', 'unlisted'] as const
export type Channel = (typeof channels)[number]

export const manifestFormats = ['json', 'rdf'] as const
export type ManifestFormat = (typeof manifestFormats)[number]

export const payments = ['free', 'premium'] as const
