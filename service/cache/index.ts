/** What workers hold, and where they get it from. */

export { openApplications } from './applications.ts'
export { createSource } from './source.ts'
