/** The private MariaDB of `npm start` and of the tests. */

export { startPrivateDatabase, usePrivateDatabase } from './private-database.ts'
