/** What workers hold, and where they get it from. */

export { type Applications, openApplications } from './applications.ts'
export { createSource, type Source } from './source.ts'
